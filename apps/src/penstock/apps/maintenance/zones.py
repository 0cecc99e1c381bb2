"""Evaluation zones of vibration severity, as ISO 20816-1 §6 defines them: A (newly commissioned) to D (damage likely).

The standard leaves the boundaries to its machine-specific parts, so they are configuration here, with the values of
ISO 20816-3 (industrial machines above 15 kW) by name. Magnitudes are broad-band rms velocity in mm/s.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from penstock.sdk.models import Property


class Zone(StrEnum):
    """A: newly commissioned; B: unrestricted operation; C: not for long-term operation; D: damage is likely."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"


MEANING: Mapping[Zone, str] = {
    Zone.A: "as newly commissioned",
    Zone.B: "fit for unrestricted operation",
    Zone.C: "not fit for long-term operation",
    Zone.D: "damage is likely",
}


@dataclass(frozen=True, slots=True)
class Boundaries:
    """Upper limits of zones A, B and C in mm/s rms, rising."""

    ab: float
    bc: float
    cd: float

    def __post_init__(self) -> None:
        if not 0 < self.ab < self.bc < self.cd:
            message = f"zone boundaries must rise from above 0: got A/B {self.ab}, B/C {self.bc}, C/D {self.cd} mm/s"
            raise ValueError(message)

    def zone(self, velocity_mm_s: float) -> Zone:
        """Give the zone of a magnitude; a boundary itself belongs to the worse zone."""
        return (Zone.A, Zone.B, Zone.C, Zone.D)[
            int(np.searchsorted((self.ab, self.bc, self.cd), velocity_mm_s, "right"))
        ]

    @property
    def significant_change(self) -> float:
        """Give the change that counts as significant: 25 % of the upper limit of zone B (ISO 20816-1 §6.3)."""
        return 0.25 * self.bc

    @property
    def trip(self) -> float:
        """Give what no trip should be set above: 1.25 times the upper limit of zone C (ISO 20816-1, trips)."""
        return 1.25 * self.cd


ISO_20816_3: Mapping[str, Boundaries] = {
    "group-1-rigid": Boundaries(2.3, 4.5, 7.1),
    "group-1-flexible": Boundaries(3.5, 7.1, 11.0),
    "group-2-rigid": Boundaries(1.4, 2.8, 4.5),
    "group-2-flexible": Boundaries(2.3, 4.5, 7.1),
}


def boundaries(text: str) -> Boundaries:
    """Read a name of ISO_20816_3 or three numbers "2.3,4.5,7.1" in mm/s."""
    if text in ISO_20816_3:
        return ISO_20816_3[text]
    try:
        ab, bc, cd = (float(part) for part in text.split(","))
    except ValueError:
        known = ", ".join(ISO_20816_3)
        message = f"{text!r} is neither three numbers in mm/s such as '2.3,4.5,7.1' nor one of {known}"
        raise ValueError(message) from None
    return Boundaries(ab, bc, cd)


MACHINE_GROUP: Final = "machine_group"
"""The attribute of an asset that says which zones are its own."""
_GROUP: Final = re.compile(r"(?:20816|10816)-3\b.*?group\s*([12])\W+(rigid|flexible)", re.IGNORECASE)


def boundaries_of(properties: Iterable[Property]) -> Boundaries | None:
    """Give the zones that a machine's attribute names: ISO 20816-3's group and support, or what `boundaries` reads.

    None where it has no such attribute, or one that names another standard: then the app's own hold.
    """
    text = next((p.value for p in properties if p.kind == "attribute" and p.name == MACHINE_GROUP), None)
    if not isinstance(text, str):
        return None
    if named := _GROUP.search(text):
        return ISO_20816_3[f"group-{named[1]}-{named[2].lower()}"]
    try:
        return boundaries(text)
    except ValueError:
        return None
