"""Small detection studies of made machines, with faults of known channels, for plays through the stack."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pyarrow as pa

from penstock.lab.study import Stretch, Study, StudyAsset, channel_name, write_study
from tests.builders.made_machines import values

SECOND_NS: Final = 1_000_000_000
START_NS: Final = 1_700_000_000 * SECOND_NS
HEALTHY, CHECKED, ROWS = 300, 450, 900
FAULTS: Final = ((560, 620, 2), (760, 840, 4))
"""First row, row behind the last, channel: of every machine, each a little later than the one before it."""
CHANNELS: Final = 6


def write_detection_study(folder: Path, *, machines: int = 3) -> Study:
    """Write machines of six channels at 1 Hz: healthy rows to fit on, others for the limits, two faults behind."""
    tables, assets = {}, []
    for number in range(machines):
        made = values(ROWS, CHANNELS, seed=number)
        for first, last, channel in FAULTS:
            made[first + number : last + number, (channel + number) % CHANNELS] += 4.0
        times = START_NS + SECOND_NS * pa.array(range(ROWS)).to_numpy()
        columns = {channel_name(i): made[:, i] for i in range(CHANNELS)}
        tables[f"m{number:03d}"] = pa.table({"time": pa.array(times, pa.int64()), **columns})
        cuts = [START_NS + row * SECOND_NS for row in (0, HEALTHY, CHECKED)] + [int(times[-1]) + 1]
        uses = ("fit", "limits", "watch")
        stretches = tuple(Stretch(use, cuts[i], cuts[i + 1]) for i, use in enumerate(uses))  # type: ignore[arg-type]
        assets.append(StudyAsset(f"m{number:03d}", stretches))
    study = Study("detection", tuple(assets))
    write_study(folder, study, tables)
    return study
