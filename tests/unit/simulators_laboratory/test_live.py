"""Looking at a machine changes nothing of what it says, and tells it as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from penstock.simulators.laboratory.live import LivePlant
from penstock.simulators.models.fault import FaultRequest
from penstock.simulators.plant import SimulatedPlant
from penstock.simulators.runner import Runner
from penstock.simulators.truth.records import TruthState
from tests.builders.simulators import simulated

T0 = 1_700_000_000 * 1_000_000_000
PUMP = """\
version: 1
device: pump-plc
description: PLC of a pump
asset: works/hall/pump-101
connection: {driver: opcua, endpoint: "opc.tcp://127.0.0.1:1", namespace: "urn:d"}
simulate: {model: centrifugal-pump, seed: 7}
tags:
  running: {type: bool, source: {node: Running}, signal: {output: running}, rate_hz: 2}
  flow: {type: float64, unit: m3/h, source: {node: Flow}, signal: {output: flow_m3h}, rate_hz: 2}
"""


@dataclass
class Running:
    """What the laboratory reads of a runner."""

    plant: SimulatedPlant

    def known_truth(self) -> dict[str, TruthState]:
        return {}


def plant() -> SimulatedPlant:
    made = SimulatedPlant(T0)
    made.add(simulated(PUMP))
    return made


def test_looking_changes_no_value() -> None:
    watched, alone = plant(), plant()
    laboratory = LivePlant(cast("Runner", Running(watched)))
    for second in range(1, 20):
        until_ns = T0 + second * 1_000_000_000
        assert watched.advance(until_ns) == alone.advance(until_ns)
        laboratory.devices()


def test_a_machine_is_told_with_its_faults_and_what_its_sensors_can_have() -> None:
    running = plant()
    (before,) = LivePlant(cast("Runner", Running(running))).devices()
    assert before.running is None, "it has said nothing yet"
    running.advance(T0 + 9_000_000_000)
    running.inject("pump-plc", FaultRequest("communication-loss", 1.0))
    running.advance(T0 + 10_000_000_000)
    (facts,) = LivePlant(cast("Runner", Running(running))).devices()
    assert (facts.device, facts.asset, facts.model, facts.driver) == (
        "pump-plc", "works/hall/pump-101", "centrifugal-pump", "opcua",
    )  # fmt: skip
    assert (facts.running, facts.trip, facts.silent, facts.is_machine) == (True, "", True, True)
    parts = {one.fault: one.component for one in facts.possible}
    assert parts["bearing"] == "drive-end bearing"
    assert "communication-loss" not in parts, "of the wire, not of the machine"
    assert set(facts.sensors["running"]) == {"stuck", "dropout"}
    assert "drift" in facts.sensors["flow"]
