"""What the machines of one plant share: time, air, loads and the hidden state that sensors look at."""

from __future__ import annotations

from dataclasses import dataclass, field

from penstock.simulators.models.shaking import Shaking

AMBIENT_DEFAULT_degC = 20.0


@dataclass(slots=True)
class Machine:
    """Hold what others may feel of a machine: how its shaft shakes, its heat and the power it draws."""

    electric_power_kW: float = 0.0
    casing_temperature_degC: float = AMBIENT_DEFAULT_degC
    shaking: Shaking = field(default_factory=Shaking)


@dataclass(slots=True)
class World:
    """Let models find one another by the name of their device; a missing neighbour has a default, never an error."""

    machines: dict[str, Machine] = field(default_factory=dict)
    air_degC: dict[str, float] = field(default_factory=dict)
    now_ns: int = 0
    """Simulated time, UTC: the end of the step that is being made. The plant sets it."""

    def machine(self, device: str) -> Machine:
        """Give the machine of a device; made, standing still, when nobody simulates it yet."""
        return self.machines.setdefault(device, Machine())

    def air(self, device: str | None) -> float:
        """Give the air temperature in degC that an ambient sensor's device stands in."""
        return self.air_degC.get(device or "", AMBIENT_DEFAULT_degC)

    def load_kW(self) -> float:
        """Sum the electric power of all machines."""
        return sum(machine.electric_power_kW for machine in self.machines.values())

    def forget(self, device: str) -> None:
        """Take a device out: its load and its air are gone."""
        self.machines.pop(device, None)
        self.air_degC.pop(device, None)
