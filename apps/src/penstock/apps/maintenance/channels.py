"""Which properties of an asset say something about its vibration, and in what role.

Decided by kind and unit, with the property's words only to tell a band or an ambient reading from the broad-band one:
never by the asset's name. An asset with at least one vibration velocity is watched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol


class Role(StrEnum):
    """What a channel tells: broad-band velocity, energy in a band, temperature, operating point, or other.

    SIGN: it costs no health, but is a sign of some failure mode of the machine's type.
    """

    VELOCITY = "velocity"
    BAND = "band"
    TEMPERATURE = "temperature"
    LOAD = "load"
    SIGN = "sign"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Channel:
    """One bound property in its role; `factor` brings the value to the role's unit (mm/s, otherwise 1)."""

    name: str
    tag: int
    unit: str
    role: Role
    factor: float = 1.0


class PropertyLike(Protocol):
    """What a property must offer; the SDK's does."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def unit(self) -> str | None: ...
    @property
    def tag(self) -> int | None: ...


VELOCITY_TO_MM_S = {"mm/s": 1.0, "mm/sec": 1.0, "cm/s": 10.0, "m/s": 1000.0, "in/s": 25.4, "ips": 25.4}
ACCELERATION = {"m/s2", "m/s^2", "m/s**2", "m/s²", "mm/s2", "g", "gn", "g_0", "standard_gravity"}
TEMPERATURE = {"degC", "°C", "celsius", "K", "kelvin"}
LOAD_PREFERENCE = ("kW", "W", "A", "m3/h", "m³/h", "l/min", "l/s", "m3/s", "rpm", "1/min", "Hz", "%")
BAND_WORDS = re.compile(r"band|bearing|envelope|demod|bpf|bsf|ftf|gmf|defect", re.IGNORECASE)
MULTIPLE = re.compile(r"(?:^|[^0-9])(\d+(?:\.\d+)?)x(?![a-z0-9])", re.IGNORECASE)
"""A multiple of the shaft's speed in a name: 1x, 0.5x."""
RUNNING_SPEED = re.compile(r"(?:^|[^0-9.])1(?:\.0+)?x(?![a-z0-9])", re.IGNORECASE)
VIBRATION_WORDS = re.compile(r"vib|rms|veloc|bearing|envelope|band", re.IGNORECASE)
SURROUNDINGS = re.compile(r"ambient|room|outdoor|air|inlet|outlet|medium|water|fluid|suction|discharge", re.IGNORECASE)
SET_POINTS = re.compile(r"setpoint|set_point|target|limit|position|level|health|loss|humidity", re.IGNORECASE)


COSTLESS = frozenset({Role.LOAD, Role.SIGN})
"""Roles of channels to which no health is lost."""


def find_channels(
    properties: Iterable[PropertyLike], signs: frozenset[str] = frozenset()
) -> tuple[Channel, ...]:  # fmt: skip
    """Give the channels of one asset, velocities first; empty where no vibration velocity is bound.

    At most one operating point is taken: power before current, flow and speed, since vibration follows what the
    machine transmits. Where the velocity at 1x is the only one it stands for the whole, which is never less: a zone
    that it says is the least that the machine is in. `signs`: what failure modes name; of them what is bound comes
    last, where it has no other role.
    """
    bound = [p for p in properties if p.kind == "measurement" and p.tag is not None and p.type in ("float64", "int64")]
    sensed = [channel for p in bound if (channel := _sensed(p)) is not None]
    if not any(c.role is Role.VELOCITY for c in sensed):
        alone = next((c for c in sensed if c.unit == "mm/s" and RUNNING_SPEED.search(c.name)), None)
        if alone is None:
            return ()
        sensed = [replace(c, role=Role.VELOCITY) if c is alone else c for c in sensed]
    order = [Role.VELOCITY, Role.BAND, Role.TEMPERATURE]
    load = _operating_point(bound)
    judged = (*sorted(sensed, key=lambda c: (order.index(c.role), c.name)), *load)
    taken = {channel.name for channel in judged}
    telling = sorted((p for p in bound if p.name in signs and p.name not in taken), key=lambda p: p.name)
    return (*judged, *(Channel(p.name, p.tag, p.unit or "", Role.SIGN) for p in telling if p.tag is not None))


def all_channels(properties: Iterable[PropertyLike]) -> tuple[Channel, ...]:
    """Give every bound measurement that is a number, by name: what state detection looks at, whatever it means."""
    bound = [p for p in properties if p.kind == "measurement" and p.tag is not None and p.type in ("float64", "int64")]
    return tuple(Channel(p.name, p.tag, p.unit or "", Role.OTHER) for p in sorted(bound, key=lambda p: p.name) if p.tag)


def _sensed(prop: PropertyLike) -> Channel | None:
    unit = (prop.unit or "").strip()
    assert prop.tag is not None
    if unit in VELOCITY_TO_MM_S and (unit != "m/s" or VIBRATION_WORDS.search(prop.name)):
        narrow = BAND_WORDS.search(prop.name) or MULTIPLE.search(prop.name)
        role = Role.BAND if narrow else Role.VELOCITY
        return Channel(prop.name, prop.tag, "mm/s", role, VELOCITY_TO_MM_S[unit])
    if unit in ACCELERATION:
        return Channel(prop.name, prop.tag, unit, Role.BAND)
    if unit in TEMPERATURE and not SURROUNDINGS.search(prop.name):
        return Channel(prop.name, prop.tag, unit, Role.TEMPERATURE)
    return None


def _operating_point(bound: list[PropertyLike]) -> tuple[Channel, ...]:
    offered = [p for p in bound if (p.unit or "") in LOAD_PREFERENCE and not SET_POINTS.search(p.name)]
    if not offered:
        return ()
    best = min(offered, key=lambda p: (LOAD_PREFERENCE.index(p.unit or ""), p.name))
    assert best.tag is not None
    return (Channel(best.name, best.tag, best.unit or "", Role.LOAD),)
