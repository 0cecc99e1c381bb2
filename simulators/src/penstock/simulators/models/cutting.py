"""Milling: speed, force, power, and how a tool wears.

Speed: n = 1000 vc / (π D). Feed: vf = fz z n. Cutting power: Pc = ap ae vf kc / 6e7 kW (mm, mm/min, N/mm²) with the
specific force kc = kc1.1 hm^−mc, hm = fz √(ae / D) (Kienzle 1952; C45: kc1.1 = 2220 N/mm², mc = 0.14), times
1 + 1.2 VB for a blunt tool (Klocke 2011, *Manufacturing Processes 1*, ch. 3). Tool life in minutes of cut:
T = (C / vc)^(1/n) (Taylor 1907; n = 0.25 and C = 350 m/min: carbide in steel): 14.3 min at 180 m/min, 9.4 at 200.
Flank wear of the share w of that life: VB = 0.06 (1 − e^(−w / 0.04)) + 0.16 w + 0.08 w⁴ mm: running-in, steady, steep;
0.3 mm at its end (ISO 8688-2).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

TOOL_DIAMETER_mm, TEETH = 20.0, 4
TAYLOR_C, TAYLOR_N = 350.0, 0.25
KC11_N_mm2, MC = 2220.0, 0.14
RATED_m_min: Final = 180.0


@dataclass(frozen=True, slots=True)
class Program:
    """Describe a part's roughing: cutting speed, depth ap and width ae of cut, feed per tooth."""

    cutting_m_min: float
    depth_mm: float
    width_mm: float
    tooth_mm: float


PROGRAMS: Final[Mapping[str, Program]] = {
    "housing": Program(180.0, 5.0, 10.0, 0.10),
    "plate": Program(180.0, 3.5, 12.0, 0.10),
    "bracket": Program(200.0, 3.0, 9.0, 0.12),
}


def spindle_rpm(cutting_m_min: float) -> float:
    """Give the speed of the spindle for a cutting speed."""
    return 1000.0 * cutting_m_min / (math.pi * TOOL_DIAMETER_mm)


def cutting_kW(program: str, depth: float, *, flank_mm: float) -> float:
    """Give the power at the cutter, for a share of the program's depth of cut and a flank wear."""
    cut = PROGRAMS[program]
    feed_mm_min = cut.tooth_mm * TEETH * spindle_rpm(cut.cutting_m_min)
    chip_mm = cut.tooth_mm * math.sqrt(cut.width_mm / TOOL_DIAMETER_mm)
    force_N_mm2 = KC11_N_mm2 * chip_mm**-MC * (1.0 + 1.2 * flank_mm)
    return float(cut.depth_mm * depth * cut.width_mm * feed_mm_min * force_N_mm2 / 6e7)


def flank_wear_mm(share: float) -> float:
    """Give VB for a share of tool life."""
    return 0.06 * (1.0 - math.exp(-share / 0.04)) + 0.16 * share + 0.08 * share**4


def tool_life_min(cutting_m_min: float) -> float:
    """Give Taylor's tool life in minutes of cut."""
    return float((TAYLOR_C / cutting_m_min) ** (1.0 / TAYLOR_N))
