"""A reading becomes one sample or one reject, and is never bent."""

import struct
from datetime import UTC, datetime

import numpy as np
import pytest

from penstock.core import status as codes
from penstock.core.normalise import Normalised, Normaliser, excerpt
from penstock.core.reading import Reading
from tests.builders.core import PUMP, T0, make_device

NORMALISER = Normaliser(make_device())


def _apply(tag: str, raw: object, *, status: int = 0, time_ns: int | None = T0) -> Normalised:
    return NORMALISER.apply([Reading(tag, time_ns, status, raw)], T0 + 5)


@pytest.mark.parametrize(
    ("tag", "raw", "value"),
    [
        ("flow", 100.0, 6.0),
        ("flow", 100, 6.0),
        ("flow", np.float32(0.5), 0.03),
        ("counter", 7, 7),
        ("counter", 7.0, 7),
        ("counter", np.uint16(7), 7),
        ("counter", 2**63 - 1, 2**63 - 1),
        ("counter", datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), 10**9),
        ("running", True, True),
        ("running", 0, False),
        ("running", np.bool_(True), True),
        ("mode", "auto", "auto"),
        ("mode", "ü", "ü"),
    ],
)
def test_what_fits_becomes_a_sample(tag: str, raw: object, value: object) -> None:
    done = _apply(tag, raw)
    assert done.rejects == ()
    assert done.columns.value_at(0) == pytest.approx(value)
    assert type(done.columns.value_at(0)) is type(value)
    assert NORMALISER.tags[done.columns.tag[0]] == tag


@pytest.mark.parametrize(
    ("tag", "raw", "reason"),
    [
        ("flow", "12.5", "a number expected, got str"),
        ("flow", True, "a number expected, got bool"),
        ("flow", 2**53 + 1, "cannot hold exactly"),
        ("flow", 10**400, "cannot hold exactly"),
        ("flow", [1.0], "array or object"),
        ("flow", np.array([1.0]), "array or object"),
        ("counter", 7.5, "a whole number expected"),
        ("counter", float("nan"), "a whole number expected"),
        ("counter", 2**63, "outside int64"),
        ("counter", {"a": 1}, "array or object"),
        ("running", 2, "true, false, 0 or 1"),
        ("mode", 7, "text expected"),
        ("mode", "x" * 8193, "8193 characters"),
        ("mode", "\ud800", "surrogate"),
    ],
)
def test_what_does_not_fit_is_rejected_with_its_reason(tag: str, raw: object, reason: str) -> None:
    done = _apply(tag, raw)
    assert len(done.columns) == 0
    [reject] = done.rejects
    assert (reject.tag, reject.time_ns) == (tag, T0)
    assert reason in reject.reason


def test_unknown_tag_wrong_time_and_wrong_status_are_rejected() -> None:
    assert _apply("flw", 1.0).rejects[0].tag is None
    assert "64 bits" in _apply("flow", 1.0, time_ns=2**63).rejects[0].reason
    assert "32 bits" in _apply("flow", 1.0, status=-1).rejects[0].reason


def test_the_rest_flows_past_a_reject() -> None:
    readings = [Reading("flow", n, 0, "x" if n == 1 else float(n)) for n in range(3)]
    done = NORMALISER.apply(readings, T0)
    assert done.columns.time.tolist() == [0, 2]


@pytest.mark.parametrize("bits", [0x7FF8_0000_0000_0123, 1 << 63, 0x7FF0 << 48, 0xFFF0 << 48])
def test_floats_pass_bit_by_bit_where_nothing_converts(bits: int) -> None:
    plain = Normaliser(make_device(PUMP.replace(", unit: l/min", "")))
    [raw] = struct.unpack("<d", struct.pack("<Q", bits))
    assert plain.apply([Reading("flow", 0, 0, raw)], 0).columns.vf.view(np.uint64)[0] == bits


def test_a_missing_source_time_is_the_arrival() -> None:
    assert _apply("flow", 1.0, time_ns=None).columns.time[0] == T0 + 5


def test_no_value_is_bad() -> None:
    assert _apply("flow", None).columns.status[0] == codes.BAD_NO_DATA
    assert _apply("flow", None, status=codes.BAD_SENSOR_FAILURE).columns.status[0] == codes.BAD_SENSOR_FAILURE


def test_status_is_kept_and_a_bad_misfit_loses_only_its_value() -> None:
    assert _apply("flow", 1.0, status=0x4090_0480).columns.status[0] == 0x4090_0480
    done = _apply("flow", "?", status=codes.BAD_SENSOR_FAILURE)
    assert (done.rejects, done.columns.value_at(0)) == ((), None)


def test_int64_is_converted_in_whole_numbers() -> None:
    text = PUMP.replace("{node: Counter}", "{node: Counter, scale: 10, offset: 1}")
    normaliser = Normaliser(make_device(text))
    done = normaliser.apply([Reading("counter", 0, 0, 5), Reading("counter", 0, 0, 2**62)], 0)
    assert done.columns.vi.tolist() == [51]
    assert "outside int64" in done.rejects[0].reason


def test_excerpts_are_short() -> None:
    assert len(excerpt("x" * 10**6)) == 256
    assert len(excerpt({str(n): "y" * 1000 for n in range(1000)})) <= 256
