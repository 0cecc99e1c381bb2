"""Pages of the history as the models take them: channel index, source time, number, Good or not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.apps.maintenance.channels import Channel
from penstock.apps.maintenance.windows import Samples

BAD_FROM = 0x80000000


def samples_of(table: pa.Table, channels: Sequence[Channel]) -> Samples:
    """Bring rows of the wire's table to samples; a tag that is no channel gets channel −1."""
    numbers = pc.coalesce(table.column("vf"), table.column("vi").cast(pa.float64(), safe=False))
    value = pc.fill_null(numbers, float("nan")).to_numpy()
    status = table.column("status").to_numpy()
    tag = table.column("tag").to_numpy()
    channel = np.full(len(tag), -1, dtype=np.int64)
    for index, known in enumerate(channels):
        channel[tag == known.tag] = index
    good = (status < BAD_FROM) & np.isfinite(value)
    return Samples(channel, table.column("time").to_numpy(), value, good, table.column("position").to_numpy())
