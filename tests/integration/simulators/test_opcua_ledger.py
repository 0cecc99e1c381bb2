"""The ledger over OPC UA: what a subscription held must arrive, what nobody held is noted."""

from pathlib import Path

import pytest

from penstock.simulators.ledger import Row, judge, read_ledger
from tests.builders.simulators import SimProcess, free_port, opcua_device, plant_folder, secure_client, subscribe, until

pytestmark = pytest.mark.integration
NODES = {"Level": "level", "Count": "count", "Open": "open", "Mode": "mode"}


async def test_values_held_by_a_subscription_arrive_and_the_others_are_noted(tmp_path: Path) -> None:
    port, ledger = free_port(), tmp_path / "ledger"
    plant = plant_folder(tmp_path / "plant", plc=opcua_device(port))
    with SimProcess(plant, tmp_path / "sim", ledger=ledger) as sim:
        await until(
            lambda: sim.status()["devices"].get("plc", {}).get("not_held", 0) > 20, "values that nobody held", 60
        )
        async with secure_client(f"opc.tcp://127.0.0.1:{port}", pki=tmp_path / "pki", trust=plant / "trust") as client:
            collector = await subscribe(client, "urn:test:plc", list(NODES))
            await until(lambda: len(collector.values.get("Mode", [])) > 30, "values")
        await until(lambda: sim.status()["devices"]["plc"]["monitored"] == 0, "unsubscribed")
        sim.stop()
    said = read_ledger(ledger)
    rows = [
        Row(f"plc/{NODES[node]}", round(data.SourceTimestamp.timestamp() * 1e6) * 1000, 0, data.Value.Value, 0, 0)
        for node, values in collector.values.items()
        for data in values
    ]
    verdict = judge(said, sorted(rows, key=lambda row: (row.key, row.time_ns)))
    at_the_end = 4 * 2  # offered between the last notification and the end of the session: held, then thrown away
    assert verdict.lost <= at_the_end, verdict.examples
    assert (verdict.dup, verdict.corrupt, verdict.phantom) == (0, 0, 0), verdict.examples
    assert verdict.matched > 100
    assert verdict.not_held > 20
    assert [entry.n for entry in said.entries] == list(range(1, len(said.entries) + 1))
