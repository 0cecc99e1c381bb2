"""Vibration by frequency: which channels are bands of a spectrum, in which order, and how far each stands off. Pure.

Devices that measure vibration at the machine send bands, not waveforms: the amplitude at a multiple of the shaft's
speed, at a bearing's defect frequencies, in a range of high frequencies (ISO 13373-3:2015, annex D). Side by side over
time they are a coarse waterfall of the spectrum. A band is told by its unit and a word of its name; its place by the
usual multiple of the shaft's speed (Randall 2011, Vibration-based Condition Monitoring, 2.2.3: for n rolling elements
the outer race is passed about 0.4 n times a revolution, the inner race 0.6 n times; the cage turns 0.4 times), which
orders them and is no frequency of this machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.apps.house.figures import NARROW, number_text, unit_text, words
from penstock.apps.maintenance.channels import ACCELERATION, MULTIPLE, VELOCITY_TO_MM_S, Channel

Floats = NDArray[np.float64]
PLACES: Final[tuple[tuple[re.Pattern[str], float, str], ...]] = tuple(
    (re.compile(rf"(?:^|[^a-z])(?:{pattern})(?![a-z])", re.IGNORECASE), order, meaning)
    for pattern, order, meaning in (
        ("ftf|cage", 0.4, "cage"),
        ("bsf|rolling_element|roller|ball", 2.5, "rolling element"),
        ("bpfo|outer_race|outer", 4.0, "outer race"),
        ("bpfi|inner_race|inner", 6.0, "inner race"),
        ("gmf|mesh", 30.0, "gear mesh"),
        ("band|envelope|demod", 1000.0, "high frequencies"),
    )
)
"""Word of a name, usual multiple of the shaft's speed, and what it tells of."""
BANDS_MIN: Final = 3
"""Fewer are no spectrum."""
LEVEL_MIN: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Band:
    """A vibration channel that tells of one place in the spectrum; `order`: usual multiple of the shaft's speed."""

    channel: Channel
    order: float
    meaning: str

    @property
    def label(self) -> str:
        """Give its name and what it tells of."""
        name = words(self.channel.name)
        return f"{name}, {self.meaning}" if self.meaning else name


def bands_of(channels: Iterable[Channel]) -> tuple[Band, ...]:
    """Give the bands among channels, the lowest frequency first; empty where there are fewer than `BANDS_MIN`."""
    found = [band for channel in channels if (band := _band(channel)) is not None]
    return tuple(sorted(found, key=lambda b: (b.order, b.channel.name))) if len(found) >= BANDS_MIN else ()


def labels_of(bands: Sequence[Band]) -> list[str]:
    """Give short labels: the names without the words with which all of them begin, and what they tell of."""
    split = [band.channel.name.split("_") for band in bands]
    shared = 0
    while all(len(each) > shared + 1 for each in split) and len({each[shared] for each in split}) == 1:
        shared += 1
    names = [words("_".join(each[shared:])) for each in split]
    return [f"{name}, {band.meaning}" if band.meaning else name for name, band in zip(names, bands, strict=True)]


def _band(channel: Channel) -> Band | None:
    if channel.unit not in VELOCITY_TO_MM_S and channel.unit not in ACCELERATION:
        return None
    for pattern, order, meaning in PLACES:
        if pattern.search(channel.name):
            return Band(channel, order, meaning)
    multiple = MULTIPLE.search(channel.name)
    return Band(channel, float(multiple[1]), "") if multiple else None


@dataclass(frozen=True, slots=True)
class Waterfall:
    """levels (b, t): dB above each band's reference, NaN where nothing was read; means (b, t) in the bands' units.

    `healthy`: whether all references are healthy levels; otherwise some are the band's own median over the span.
    """

    levels: Floats
    means: Floats
    healthy: bool


def waterfall(means: Floats, healthy: Sequence[float | None]) -> Waterfall:
    """Hold the bands' means (b, t) against their healthy levels (b,), the median of the span where one is None."""
    reference = np.array([np.nan if level is None or level <= LEVEL_MIN else level for level in healthy], np.float64)
    known = bool(np.isfinite(reference).all())
    for b in np.flatnonzero(np.isnan(reference)):
        read = means[b][np.isfinite(means[b])]
        reference[b] = np.median(read) if len(read) else np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        levels = 20.0 * np.log10(np.maximum(means, LEVEL_MIN) / np.maximum(reference, LEVEL_MIN)[:, None])
    return Waterfall(np.where(np.isfinite(means), levels, np.nan), means, known)


def grid_of(rows: Iterable[tuple[int, int, float | None]], tags: Sequence[int], starts: Sequence[int]) -> Floats:
    """Lay rows of tag, window's start and mean out as (b, t), NaN where there is none."""
    place: Mapping[int, int] = {tag: b for b, tag in enumerate(tags)}
    column: Mapping[int, int] = {start: t for t, start in enumerate(starts)}
    grid = np.full((len(tags), len(starts)), np.nan)
    for tag, start, mean in rows:
        if tag in place and start in column and mean is not None:
            grid[place[tag], column[start]] = mean
    return grid


def cell_text(band: Band, mean: float, level: float) -> str:
    """Say what a band read in a window."""
    sign = "+" if level >= 0 else "−"
    return (
        f"{band.label}: {number_text(mean, digits=3)} {unit_text(band.channel.unit)}, {sign}{abs(level):.0f}{NARROW}dB"
    )
