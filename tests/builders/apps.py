"""Builders for the apps' tests: a pump's channels and what they read, healthy or with a worn bearing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from penstock.apps.maintenance.channels import Channel, Role
from penstock.apps.maintenance.windows import Samples

SECOND = 1_000_000_000
START_NS = 1_700_000_000 * SECOND

PUMP = (
    Channel("vibration_rms", 1, "mm/s", Role.VELOCITY),
    Channel("bearing_band", 2, "g", Role.BAND),
    Channel("bearing_temperature", 3, "degC", Role.TEMPERATURE),
    Channel("power", 4, "kW", Role.LOAD),
)


def pump_samples(
    seconds: int, *, start_s: int = 0, wear: float = 0.0, load: float = 1.0, seed: int = 1, running: bool = True
) -> Samples:
    """Give one Good row a second and channel; `wear` 0 (new) to 1 (destroyed), `load` as a share of rated power."""
    random = np.random.default_rng(seed)
    time = START_NS + (start_s + np.arange(seconds)) * SECOND
    noise = random.normal(size=(seconds, 4))
    on = 1.0 if running else 0.0
    rms = on * (0.9 + 0.6 * load + 6 * wear) + 0.05 * noise[:, 0]
    band = on * (0.2 + 0.1 * load + 4 * wear) + 0.005 * noise[:, 1]
    temperature = 35 + 12 * load * on + 35 * wear + 0.2 * noise[:, 2]
    power = on * 15 * load + 0.02 * noise[:, 3]
    return rows(time, np.column_stack([rms, np.abs(band), temperature, power]))


def rows(time: npt.NDArray[np.int64], values: npt.NDArray[np.float64]) -> Samples:
    """Give the rows of `values` (time × channel) in time order, all Good."""
    n, width = values.shape
    return Samples(
        channel=np.tile(np.arange(width), n),
        time=np.repeat(time, width),
        value=values.reshape(-1),
        good=np.ones(n * width, dtype=bool),
    )


def take(samples: Samples, keep: npt.NDArray[np.bool_] | slice) -> Samples:
    """Give a part of the rows."""
    return Samples(samples.channel[keep], samples.time[keep], samples.value[keep], samples.good[keep])


def join(*parts: Samples) -> Samples:
    """Give the rows of all parts, one after the other."""
    return Samples(
        np.concatenate([p.channel for p in parts]),
        np.concatenate([p.time for p in parts]),
        np.concatenate([p.value for p in parts]),
        np.concatenate([p.good for p in parts]),
    )
