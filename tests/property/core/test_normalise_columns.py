"""Columns are normalised as readings one by one are: the same samples, bit by bit, and the same rejects."""

import struct

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.columns import SampleColumns
from penstock.core.device_file import DeviceFile
from penstock.core.normalise import Normaliser
from penstock.core.normalise_columns import ColumnNormaliser
from penstock.core.reading import Reading
from penstock.core.readings import BEYOND_NS, ReadingColumns
from tests.builders.core import make_device

DEVICE = make_device("""\
version: 1
device: all
connection: {driver: opcua, endpoint: opc.tcp://127.0.0.1:4840, security: x}
tags:
  plain: {type: float64, source: {node: a}}
  scaled: {type: float64, source: {node: b, scale: 0.1, offset: -3}}
  unit: {type: float64, unit: m3/h, source: {node: c, unit: l/min}}
  count: {type: int64, source: {node: d}}
  tens: {type: int64, source: {node: e, scale: 10, offset: -7}}
  down: {type: int64, source: {node: f, scale: -3}}
  huge: {type: int64, source: {node: g, scale: 1.0e+19}}
  edge: {type: int64, source: {node: h, offset: 9.0e+18}}
  flat: {type: int64, source: {node: i, scale: 0, offset: 4}}
  on: {type: bool, source: {node: j}}
  name: {type: string, source: {node: k}}
""")
FLOATS = make_device("""\
version: 1
device: floats
connection: {driver: opcua, endpoint: opc.tcp://127.0.0.1:4840, security: x}
tags:
  plain: {type: float64, source: {node: a}}
  scaled: {type: float64, source: {node: b, scale: 0.1, offset: -3}}
  unit: {type: float64, unit: m3/h, source: {node: c, unit: l/min}}
""")
"""A device that has nothing else, as most have: its floats take a shorter way."""
NAMES = tuple(DEVICE.tags)
ARRIVAL_NS = 1_700_000_000_000_000_000
EDGES = (0, 1, 2, 2**53, 2**53 + 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1, (2**63 - 1) // 10, (2**63 - 1) // 3)
NAN_WITH_BITS = struct.unpack("<d", b"\x01\x02\x03\x00\x00\x00\xf8\xff")[0]

RAWS = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(),
    st.sampled_from((NAN_WITH_BITS, -0.0, 1e308, 2.0**53, 2.0**63, 4.0)),
    st.sampled_from([sign * edge for edge in EDGES for sign in (1, -1)]),
    st.integers(-(2**63), 2**64),
    st.text(max_size=4),
    st.sampled_from(("x" * 9_000, "\ud800", [1, 2], {"a": 1}, b"octets")),
)
READINGS = st.builds(
    Reading,
    st.sampled_from(NAMES),
    st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.just(BEYOND_NS)),
    st.one_of(st.just(0), st.sampled_from((0x40000000, 0x80310000, 0x480, 0xFFFFFFFF)), st.integers(0, 2**32 - 1)),
    RAWS,
)


def exact(columns: SampleColumns) -> list[list[object]]:
    return [
        columns.tag.tolist(),
        columns.time.tolist(),
        columns.status.tolist(),
        columns.kind.tolist(),
        columns.vf.view(np.uint64).tolist(),
        columns.vi.tolist(),
        columns.vb.tolist(),
        columns.vs.tolist(),
    ]


def same(readings: list[Reading], device: DeviceFile = DEVICE) -> None:
    one_by_one = Normaliser(device).apply(readings, ARRIVAL_NS)
    in_columns = ColumnNormaliser(device).apply(ReadingColumns.of(readings, tuple(device.tags)), ARRIVAL_NS)
    assert exact(in_columns.columns) == exact(one_by_one.columns)
    assert in_columns.rejects == one_by_one.rejects
    assert in_columns.rejected_rows == one_by_one.rejected_rows
    assert [getattr(in_columns.columns, name).dtype for name in SampleColumns.__slots__] == [
        getattr(one_by_one.columns, name).dtype for name in SampleColumns.__slots__
    ]


@settings(max_examples=400)
@given(st.lists(READINGS, max_size=30))
def test_columns_and_readings_give_the_same_samples_and_rejects(readings: list[Reading]) -> None:
    same(readings)


@settings(max_examples=200)
@given(
    st.lists(
        st.builds(
            Reading,
            st.sampled_from(tuple(FLOATS.tags)),
            st.integers(-(2**63), 2**63 - 1),
            st.integers(0, 2**32 - 1),
            st.one_of(st.floats(), st.sampled_from((NAN_WITH_BITS, -0.0, 1e308))),
        ),
        max_size=30,
    )
)
def test_floats_of_a_device_that_has_nothing_else_are_the_same(readings: list[Reading]) -> None:
    same(readings, FLOATS)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from(tuple(FLOATS.tags)), RAWS, st.none() | st.just(BEYOND_NS) | st.just(5))))
def test_anything_of_a_device_of_floats_is_judged_alike(rows: list[tuple[str, object, int | None]]) -> None:
    same([Reading(name, time_ns, 0, raw) for name, raw, time_ns in rows], FLOATS)


def test_every_edge_of_every_tag_is_judged_alike() -> None:
    raws: list[object] = [None, True, False, 0.0, -0.0, 1.0, 0.5, NAN_WITH_BITS, float("inf"), 2.0**53, -(2.0**63), "1"]
    raws += [sign * edge + step for edge in EDGES for sign in (1, -1) for step in (-1, 0, 1)]
    same([Reading(name, 5, status, raw) for name in NAMES for raw in raws for status in (0, 0x80310000)])
