"""The source ledger, and the judge proved by ten planted defects."""

import math
import os
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from penstock.core.status import BAD_NO_COMMUNICATION, GOOD
from penstock.simulators.emission import Emission, Point
from penstock.simulators.ledger import LedgerError, LedgerWriter, Row, judge, read_ledger
from penstock.simulators.ledger.log import exact, inexact

ODD_NAN = struct.unpack("<d", struct.pack("<Q", 0x7FF8_0000_0000_BEEF))[0]
VALUES = [1.5, -0.0, math.inf, ODD_NAN, 5e-324, 0.1 + 0.2]


def emissions() -> list[Emission]:
    return [
        Emission(
            "dev",
            1_000 * (i + 1),
            (
                Point("a", value, GOOD),
                Point("n", i, GOOD),
                Point("s", f"tab\there {i}", GOOD),
                Point("b", i % 2 == 0, GOOD),
            ),
        )
        for i, value in enumerate(VALUES)
    ]


def rows_of(path: Path) -> list[Row]:
    """Give what a faithful platform returns: per tag, by (time, position, row)."""
    entries = sorted(read_ledger(path).entries, key=lambda entry: (entry.key, entry.time_ns))
    return [
        Row(entry.key, entry.time_ns, entry.status, inexact(entry.kind, entry.bits), position=entry.time_ns, row=0)
        for entry in entries
    ]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    writer = LedgerWriter(tmp_path / "ledger")
    writer.write(emissions())
    writer.close()
    return tmp_path / "ledger"


def test_faithful_rows_are_judged_clean(ledger: Path) -> None:
    verdict = judge(read_ledger(ledger), rows_of(ledger))
    assert verdict.ok
    assert (verdict.offered, verdict.read, verdict.matched) == (24, 24, 24)


def _at(rows: list[Row], key: str, index: int) -> int:
    return [i for i, row in enumerate(rows) if row.key == key][index]


def _change(rows: list[Row], key: str, index: int, change: Callable[[Row], Row]) -> list[Row]:
    at = _at(rows, key, index)
    return [*rows[:at], change(rows[at]), *rows[at + 1 :]]


def _remove(rows: list[Row]) -> list[Row]:
    at = _at(rows, "dev/a", 2)
    return rows[:at] + rows[at + 1 :]


def _repeat(rows: list[Row]) -> list[Row]:
    at = _at(rows, "dev/n", 1)
    return [*rows[: at + 1], rows[at], *rows[at + 1 :]]


def _swap(rows: list[Row]) -> list[Row]:
    at = _at(rows, "dev/s", 1)
    return [*rows[:at], rows[at + 1], rows[at], *rows[at + 2 :]]


DEFECTS = {
    "a value is lost": (_remove, "lost"),
    "a value comes twice": (_repeat, "dup"),
    "two rows are in the wrong order": (_swap, "ooo"),
    "the last bit of a double differs": (
        lambda rows: _change(rows, "dev/a", 0, lambda row: replace(row, value=math.nextafter(1.5, 2.0))),
        "corrupt",
    ),
    "the sign of zero is gone": (
        lambda rows: _change(rows, "dev/a", 1, lambda row: replace(row, value=0.0)),
        "corrupt",
    ),
    "a NaN lost its payload": (
        lambda rows: _change(rows, "dev/a", 3, lambda row: replace(row, value=math.nan)),
        "corrupt",
    ),
    "an integer came back as a double": (
        lambda rows: _change(rows, "dev/n", 4, lambda row: replace(row, value=4.0)),
        "corrupt",
    ),
    "a Good became Uncertain": (
        lambda rows: _change(rows, "dev/b", 2, lambda row: replace(row, status=0x4000_0000)),
        "corrupt",
    ),
    "a time was shifted": (lambda rows: _change(rows, "dev/s", 5, lambda row: replace(row, time_ns=6_001)), "phantom"),
    "a value was invented": (lambda rows: [*rows, Row("dev/x", 1, GOOD, 1.0, 1, 0)], "phantom"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_planted_defect_is_caught(ledger: Path, defect: str) -> None:
    plant, expected = DEFECTS[defect]
    verdict = judge(read_ledger(ledger), plant(rows_of(ledger)))
    assert not verdict.ok
    assert getattr(verdict, expected) >= 1
    assert any(example.startswith(expected) for example in verdict.examples)


def test_gap_samples_are_counted_apart(ledger: Path) -> None:
    rows = [*rows_of(ledger), Row("dev/a", 6_001, BAD_NO_COMMUNICATION, None, 1, 0)]
    verdict = judge(read_ledger(ledger), sorted(rows, key=lambda row: (row.key, row.time_ns)))
    assert verdict.ok
    assert verdict.marks == 1


def test_values_that_no_server_held_are_not_lost_but_counted(tmp_path: Path) -> None:
    writer = LedgerWriter(tmp_path / "l")
    (first, last), *_ = writer.write(emissions())
    writer.note_not_held("dev", first, last)
    writer.note_dropped("dev", last + 1, last + 4)
    writer.close()
    kept = [row for row in rows_of(tmp_path / "l") if row.time_ns > 2_000]
    verdict = judge(read_ledger(tmp_path / "l"), kept)
    assert verdict.ok
    assert (verdict.not_held, verdict.dropped, verdict.lost) == (4, 4, 0)


def test_torn_end_is_cut_and_counting_goes_on(ledger: Path) -> None:
    with ledger.open("ab") as file:
        file.write(b"V\t25\tdev\ta\t70")
    writer = LedgerWriter(ledger)
    assert writer.write([Emission("dev", 7_000, (Point("a", 1.0, GOOD),))]) == [(25, 25)]
    writer.close()
    assert [entry.n for entry in read_ledger(ledger).entries] == list(range(1, 26))


def test_broken_line_in_the_middle_is_an_error_with_its_number(ledger: Path) -> None:
    content = bytearray(ledger.read_bytes())
    content[content.index(b"\n") + 5] ^= 1
    ledger.write_bytes(bytes(content))
    with pytest.raises(LedgerError, match=":2: checksum"):
        read_ledger(ledger)


def test_source_time_must_rise(ledger: Path) -> None:
    writer = LedgerWriter(ledger)
    with pytest.raises(AssertionError, match="does not rise"):
        writer.write([Emission("dev", 6_000, (Point("a", 1.0, GOOD),))])
    writer.close()


def test_ledger_is_readable_by_its_owner_alone(ledger: Path) -> None:
    assert ledger.stat().st_mode & 0o777 == 0o600
    assert os.access(ledger, os.R_OK)


@pytest.mark.parametrize("value", [None, True, False, 0, -(2**63), 2**63 - 1, "", "ü\t\n%", *VALUES])
def test_exact_form_keeps_every_bit(value: float | int | bool | str | None) -> None:
    again = inexact(*exact(value))
    assert exact(again) == exact(value)
    assert type(again) is type(value)
