"""Samples of the simulated device, and a small payload for them (the Arrow codec has its own tests, and costs time)."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from typing import NamedTuple

from penstock.core import status as codes
from tests.sim.world import MS

_ROW = struct.Struct("<qId")


class Sample(NamedTuple):
    """Hold one sample; the time makes it unique."""

    time_ns: int
    status: int
    value: float


def make_sample(number: int) -> Sample:
    """Give the device's n-th sample: a slow sine, every 23rd Bad."""
    status = codes.BAD_SENSOR_FAILURE if number % 23 == 0 else codes.GOOD
    return Sample(number * 20 * MS, status, math.sin(number / 40))


def pack_samples(samples: Iterable[Sample]) -> bytes:
    return b"".join(_ROW.pack(*sample) for sample in samples)


def unpack_samples(payload: bytes) -> list[Sample]:
    return [Sample(*row) for row in _ROW.iter_unpack(payload[: len(payload) // _ROW.size * _ROW.size])]
