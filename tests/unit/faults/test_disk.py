"""The disk after a power cut: what must be there, what may be, what cannot be."""

import random
from pathlib import Path

import pytest

from tests.faults.disk import (
    ROOT,
    Cut,
    Name,
    Operation,
    Policy,
    Record,
    Sync,
    Told,
    Truncate,
    Write,
    build,
    choose_cuts,
)

FILE, FOLDER = 1, 2
SYNCED, LATER = b"s" * 1500, b"l" * 1500


def a_record() -> Record:
    operations: list[Operation] = [
        Name(ROOT, (("file", FILE),)),
        Write(FILE, 0, SYNCED),
        Sync(FILE, 2),
        Sync(ROOT, 3),
        Told("safe"),
        Write(FILE, 1500, LATER),
        Name(ROOT, (("folder", FOLDER),)),
        Name(ROOT, (("file", None), ("other", FILE))),
    ]
    return Record(operations, {ROOT, FOLDER})


def laid_out(tmp_path: Path, at: int, policy: Policy, seed: int = 1) -> dict[str, bytes | None]:
    target = tmp_path / f"{at}-{policy.name}-{seed}"
    target.mkdir()
    build(a_record(), Cut(at, policy, seed), target)
    return {path.name: path.read_bytes() if path.is_file() else None for path in target.iterdir()}


def test_what_was_not_synced_is_gone_when_nothing_is_kept(tmp_path: Path) -> None:
    assert laid_out(tmp_path, 8, Policy.NONE) == {"file": SYNCED}


def test_everything_is_there_when_everything_is_kept(tmp_path: Path) -> None:
    assert laid_out(tmp_path, 8, Policy.ALL) == {"other": SYNCED + LATER, "folder": None}


@pytest.mark.parametrize("policy", list(Policy))
@pytest.mark.parametrize("seed", range(10))
def test_what_was_synced_survives_every_policy(tmp_path: Path, policy: Policy, seed: int) -> None:
    found = laid_out(tmp_path, 8, policy, seed)
    octets = found.get("file", found.get("other"))
    assert octets is not None
    assert octets[:1500] == SYNCED
    assert set(octets[1500:]) <= {0, ord("l")}


def test_a_file_whose_name_was_not_synced_is_absent(tmp_path: Path) -> None:
    assert laid_out(tmp_path, 3, Policy.NONE) == {}


def test_torn_writes_keep_whole_sectors(tmp_path: Path) -> None:
    sizes = {len(laid_out(tmp_path, 6, Policy.SECTORS, seed)["file"] or b"") for seed in range(40)}
    assert sizes <= {1500, 1536, 2048, 2560, 3000}
    assert len(sizes) > 2


def test_a_shorter_length_reaches_the_disk_or_not(tmp_path: Path) -> None:
    record = a_record()
    record.operations.append(Truncate(FILE, 10))
    kept, lost = tmp_path / "kept", tmp_path / "lost"
    for target, policy in ((kept, Policy.ALL), (lost, Policy.NONE)):
        target.mkdir()
        build(record, Cut(9, policy, 1), target)
    assert (kept / "other").read_bytes() == SYNCED[:10]
    assert (lost / "file").read_bytes() == SYNCED


def test_cuts_fall_on_every_kind_of_operation_and_come_again_from_a_seed() -> None:
    record = a_record()
    cuts = list(choose_cuts(record, random.Random(3), 40))
    assert cuts == list(choose_cuts(record, random.Random(3), 40))
    assert {cut.policy for cut in cuts} == set(Policy)
    assert len({cut.at for cut in cuts}) >= 5
    big = choose_cuts(record, random.Random(3), 5, write_min=1500)
    assert {cut.at for cut in big} <= {2, 6}


def test_only_what_was_told_before_the_cut_counts() -> None:
    assert a_record().told(4) == []
    assert a_record().told(5) == ["safe"]
