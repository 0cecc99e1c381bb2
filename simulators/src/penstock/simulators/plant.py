"""All simulated devices of a plant folder in one world. Pure: the caller says how far time has come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from penstock.core.times import NS_PER_S
from penstock.simulators.device import SimulatedDevice, STEP_MAX_s
from penstock.simulators.emission import Emission
from penstock.simulators.models.fault import FaultError, FaultRequest, FaultState, Hidden
from penstock.simulators.models.model import Json
from penstock.simulators.models.world import World

LAG_MAX_ns: Final = 10 * NS_PER_S
"""A process that was held up longer does not catch up: the machines stood still, the gap is honest."""


class SimulatedPlant:
    """Hold the devices, step them together, collect what they emit."""

    def __init__(self, now_ns: int, *, step_s: float = 0.1) -> None:
        assert 0.0 < step_s <= STEP_MAX_s, "models are made for steps of up to five seconds"
        self.now_ns = now_ns
        self.world = World()
        self.devices: dict[str, SimulatedDevice] = {}
        self.skipped_s = 0.0
        self._step_ns = round(step_s * NS_PER_S)

    def add(self, device: SimulatedDevice, state: Mapping[str, Any] | None = None) -> None:
        """Take a device in, with the state it had when it was last seen."""
        if state:
            device.load(state)
        device.start(self.now_ns)
        self.devices[device.name] = device

    def remove(self, name: str) -> Json:
        """Take a device out; give its state."""
        device = self.devices.pop(name)
        self.world.forget(name)
        return device.save()

    def advance(self, to_ns: int) -> list[Emission]:
        """Go on to to_ns; give what was emitted, in the order of time within each device. Never goes back."""
        if to_ns - self.now_ns > LAG_MAX_ns:
            self.skipped_s += (to_ns - self.now_ns) / NS_PER_S
            self.now_ns = to_ns
            for device in self.devices.values():
                device.start(to_ns)
            return []
        out: list[Emission] = []
        while self.now_ns < to_ns:
            following = min(self.now_ns + self._step_ns, to_ns)
            self._step((following - self.now_ns) / NS_PER_S)
            self.now_ns = following
            for device in self.devices.values():
                out.extend(device.emit(following))
        return out

    def _step(self, dt_s: float) -> None:
        self.world.now_ns = self.now_ns + round(dt_s * NS_PER_S)
        for device in self.devices.values():
            device.step(dt_s)

    def faults(self) -> dict[str, list[FaultState]]:
        """Give the truth: every fault of every device that has faults."""
        states = {name: device.faults() for name, device in self.devices.items()}
        return {name: found for name, found in states.items() if found}

    def hidden(self) -> dict[str, Hidden]:
        """Give the hidden truth of every device at this moment."""
        return {name: device.hidden() for name, device in self.devices.items()}

    def _breakable(self, name: str, fault: str) -> SimulatedDevice:
        device = self.devices.get(name)
        if device is not None and (device.has_machine_faults or device.broken.knows(fault)):
            return device
        able = ", ".join(name for name, one in self.devices.items() if one.has_machine_faults) or "none"
        known = f"has no fault {fault!r}" if device is not None else "is not simulated here"
        message = f"device {name!r} {known}; devices with faults: {able}; every tag has some, such as drift:TAG"
        raise FaultError(message, device=name)

    def inject(self, device: str, request: FaultRequest) -> None:
        """Start a fault; FaultError names the devices that can break."""
        self._breakable(device, request.fault).inject(request)

    def clear(self, device: str, fault: str) -> None:
        """Take a fault back."""
        self._breakable(device, fault).clear(fault)

    def repair(self, device: str, fault: str) -> None:
        """Repair it."""
        self._breakable(device, fault).repair(fault)

    def save(self) -> Json:
        """Give the state of every device."""
        return {name: device.save() for name, device in self.devices.items()}
