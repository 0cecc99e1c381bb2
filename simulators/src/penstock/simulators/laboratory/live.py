"""The laboratory's look at the running simulators."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.simulators.device import SimulatedDevice
from penstock.simulators.laboratory.facts import DeviceFacts
from penstock.simulators.models.fault import FaultKind, FaultRequest
from penstock.simulators.runner import Runner
from penstock.simulators.truth.records import TruthState


class LivePlant:
    """Read and break the plant of a runner. It draws nothing from the machines' noise: looking changes no value."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def now_ns(self) -> int:
        """Give the plant's time."""
        return self._runner.plant.now_ns

    def devices(self) -> Sequence[DeviceFacts]:
        """Give every device that runs, by name."""
        known = self._runner.known_truth()
        devices = self._runner.plant.devices
        return [_facts(devices[name], known.get(name)) for name in sorted(devices)]

    def inject(self, device: str, request: FaultRequest) -> None:
        """Start a fault; the truth notes it."""
        self._runner.inject(device, request)

    def clear(self, device: str, fault: str) -> None:
        """Take a fault back."""
        self._runner.clear(device, fault)

    def repair(self, device: str, fault: str) -> None:
        """Repair it."""
        self._runner.repair(device, fault)


def _facts(device: SimulatedDevice, truth: TruthState | None) -> DeviceFacts:
    file = device.file
    running, state, trip = device.said("running"), device.said("state_name"), device.said("trip")
    return DeviceFacts(
        device=device.name,
        asset=file.asset or "",
        model=(file.simulate.model or "") if file.simulate is not None else "",
        description=file.description,
        driver=file.connection.driver,
        possible=tuple(one for one in device.faults() if one.kind is FaultKind.MACHINE),
        sensors={tag: tuple(device.broken.possible(tag)) for tag in file.tags},
        truth=truth,
        running=running if isinstance(running, bool) else None,
        state=state if isinstance(state, str) else "",
        trip=trip if isinstance(trip, str) else "",
        silent=device.broken.silent,
    )
