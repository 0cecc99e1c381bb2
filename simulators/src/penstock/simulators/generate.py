"""History faster than real time: the same models, with stamps that end at a given moment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from penstock.core.device_file import DeviceFile
from penstock.core.errors import ConfigError, PenstockError
from penstock.core.times import NS_PER_S, parse_duration_ns
from penstock.core.values import ValueType
from penstock.simulators.device import SimulatedDevice
from penstock.simulators.emission import Emission
from penstock.simulators.folder import PlantFolder
from penstock.simulators.models.fault import FaultRequest, Law
from penstock.simulators.plant import SimulatedPlant
from penstock.simulators.recordings import SHIPPED
from penstock.simulators.schedule import Schedule
from penstock.simulators.signals.spec import reader_below
from penstock.simulators.truth.keeper import NotedPlant, TruthKeeper

CHUNK_ROWS: Final = 100_000
SCHEMA: Final = pa.schema(
    [
        ("key", pa.string()),
        ("time", pa.int64()),
        ("status", pa.uint32()),
        ("vf", pa.float64()),
        ("vi", pa.int64()),
        ("vb", pa.bool_()),
        ("vs", pa.string()),
    ]
)
"""One row a sample; at most one of the four value columns is not null, the one of the tag's type."""
_FAULT = re.compile(r"(?P<device>[a-z0-9_-]+):(?P<fault>[a-z0-9_-]+(?::[A-Za-z0-9_.-]+)?)(?::(?P<rest>.*))?")


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """Hold a fault to inject after `at_ns` of the run."""

    device: str
    at_ns: int
    request: FaultRequest

    @classmethod
    def parse(cls, text: str) -> PlannedFault:
        """Read `pump-plc:bearing:at=6h,severity=0.2,growth=0.5`; PenstockError shows the form."""
        match = _FAULT.fullmatch(text)
        given = dict(part.partition("=")[::2] for part in (match["rest"] or "").split(",") if part) if match else {}
        if match is None or set(given) - {"at", "severity", "growth", "law"}:
            message = f"{text!r} is no fault; write DEVICE:FAULT[:at=6h,severity=0.2,growth=0.5,law=gamma]"
            raise PenstockError(message)
        try:
            at_ns = parse_duration_ns(given.get("at", "0s"))
            severity, growth = float(given.get("severity", "0.2")), float(given.get("growth", "2"))
            law = Law(given.get("law", "linear"))
        except ValueError as error:
            message = f"{text!r}: {error}"
            raise PenstockError(message) from error
        return cls(match["device"], at_ns, FaultRequest(match["fault"], severity, growth, 0.0, law))


def simulate(
    plant: Path,
    *,
    start_ns: int,
    until_ns: int,
    step_s: float,
    faults: tuple[PlannedFault, ...] = (),
    schedule: Schedule | None = None,
    devices: frozenset[str] | None = None,
    environ: Mapping[str, str] | None = None,
    truth: TruthKeeper | None = None,
) -> Iterator[Emission]:
    """Run the devices of a plant folder from start to until; give what would be stored, in the order of time.

    No state is read or kept: every run starts with new machines. ConfigError names a wrong device file. `truth` is told
    what the machines hide, of all devices.
    """
    files = _files(plant, environ or {}, devices)
    world = SimulatedPlant(start_ns, step_s=step_s)
    read = reader_below(plant, SHIPPED)
    for file in files:
        world.add(SimulatedDevice(file, world=world.world, read=read))
    if schedule is not None:
        schedule.check(world.devices)
    broken = world if truth is None else NotedPlant(world, truth)
    waiting = sorted(faults, key=lambda fault: fault.at_ns)
    now_ns, step_ns = start_ns, round(step_s * NS_PER_S)
    while now_ns < until_ns:
        while waiting and start_ns + waiting[0].at_ns <= now_ns:
            planned = waiting.pop(0)
            broken.inject(planned.device, planned.request)
        if schedule is not None:
            schedule.play(now_ns, broken)
        now_ns = min(now_ns + step_ns, until_ns)
        for emission in world.advance(now_ns):
            if devices is None or emission.device in devices:
                yield world.devices[emission.device].as_stored(emission)
        if truth is not None:
            truth.keep(world)


def _files(plant: Path, environ: Mapping[str, str], devices: frozenset[str] | None) -> list[DeviceFile]:
    folder = PlantFolder(plant, environ)
    files = folder.look(settled=True).added
    for error in folder.errors.values():
        raise error
    if devices is not None:
        missing = devices - {file.device for file in files}
        if missing:
            message = f"not simulated there: {', '.join(sorted(missing))}"
            raise ConfigError(message, file=str(plant), line=None, key="devices")
    return files


def write_parquet(emissions: Iterator[Emission], out: Path) -> int:
    """Write samples to a Parquet file, replaced whole; give the number of rows."""
    part = out.with_name(f".{out.name}.part")
    rows = 0
    with pq.ParquetWriter(part, SCHEMA, compression="zstd") as writer:
        columns = _Columns()
        for emission in emissions:
            columns.take(emission)
            if len(columns) >= CHUNK_ROWS:
                rows += len(columns)
                writer.write_batch(columns.batch())
                columns = _Columns()
        rows += len(columns)
        writer.write_batch(columns.batch())
    part.replace(out)
    return rows


class _Columns:
    def __init__(self) -> None:
        self._columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}

    def __len__(self) -> int:
        return len(self._columns["key"])

    def take(self, emission: Emission) -> None:
        columns = self._columns
        for point in emission.points:
            columns["key"].append(f"{emission.device}/{point.tag}")
            columns["time"].append(emission.time_ns)
            columns["status"].append(point.status)
            kind = _KIND.get(type(point.value))
            for name in ("vf", "vi", "vb", "vs"):
                columns[name].append(point.value if kind is not None and kind.column == name else None)

    def batch(self) -> pa.RecordBatch:
        return pa.record_batch([pa.array(self._columns[field.name], field.type) for field in SCHEMA], schema=SCHEMA)


_KIND: Final = {float: ValueType.FLOAT64, int: ValueType.INT64, bool: ValueType.BOOL, str: ValueType.STRING}
