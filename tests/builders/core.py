"""Builders of core values for tests of any room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from penstock.core.columns import SampleColumns
from penstock.core.device_file import DeviceFile, parse_device_file
from penstock.core.dictionary import DictionaryEntry
from penstock.core.frames import Frame, FrameKind
from penstock.core.values import Value, ValueKind, ValueType

EPOCH = "00112233445566778899aabbccddeeff"
T0 = 1_763_870_400_000_000_000

PUMP = """\
version: 1
device: pump-plc
asset: penstock/riverside/utilities/cooling/pump-101
connection:
  driver: opcua
  endpoint: ${PENSTOCK_OPCUA_PUMP:-opc.tcp://127.0.0.1:4840}
  publishing_ms: 500
simulate:
  model: centrifugal-pump
  parameters: {rated_flow_m3h: 120}
tags:
  flow:
    type: float64
    unit: m3/h
    source: {node: Flow, unit: l/min}
    signal: {output: flow_m3h}
    late_after_s: 10
  counter:
    type: int64
    source: {node: Counter}
    signal: {kind: counter, period_s: 1}
  running:
    type: bool
    source: {node: Running}
  mode:
    type: string
    source: {node: Mode}
"""


def make_device(text: str = PUMP, *, environ: Mapping[str, str] | None = None) -> DeviceFile:
    """Parse a device file; the pump's PLC by default."""
    return parse_device_file(text, file="devices/pump.yaml", environ=environ or {})


def make_columns(rows: Sequence[tuple[int, int, int, Value]]) -> SampleColumns:
    """Make columns from (tag, time, status, value) rows; the value's Python type chooses its column."""
    columns = SampleColumns.without_values(
        [tag for tag, *_ in rows], [row[1] for row in rows], status=np.array([row[2] for row in rows], np.uint32)
    )
    for at, (_, _, _, value) in enumerate(rows):
        match value:
            case bool():
                columns.kind[at], columns.vb[at] = ValueKind.BOOL, value
            case int():
                columns.kind[at], columns.vi[at] = ValueKind.INT64, value
            case float():
                columns.kind[at], columns.vf[at] = ValueKind.FLOAT64, value
            case str():
                columns.kind[at], columns.vs[at] = ValueKind.STRING, value
            case None:
                pass
    return columns


def make_frame(seq: int = 1, payload: bytes = b"payload", *, epoch: str = EPOCH, n: int = 1) -> Frame:
    """Make a batch frame."""
    return Frame(FrameKind.BATCH, epoch, seq, T0, n, payload)


def make_entry(index: int = 0, key: str = "pump-plc/flow") -> DictionaryEntry:
    """Make a dictionary entry."""
    device, _, name = key.partition("/")
    return DictionaryEntry(index, key, None, name, ValueType.FLOAT64, "m3/h", "", device, "ab" * 32, 10, 2.0)
