"""A file of scores: a run replaces what it scored, keeps what it did not, and refuses what is no such file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from penstock.lab.results import Scored, note
from penstock.lab.study import StudyError

DAY_NS = 86_400 * 10**9


def scored(name: str, how: str = "as it is", **figures: float) -> Scored:
    return Scored("detection", name, how, figures)


def test_a_run_replaces_its_own_scores_and_keeps_the_others(tmp_path: Path) -> None:
    place = tmp_path / "new" / "scores.json"
    note(place, [scored("tep", detected=0.9), scored("tep", "seed 1", detected=0.8)], command="x", now_ns=0)
    note(place, [scored("tep", detected=0.95), scored("skab", caught=12.0)], command="y", now_ns=DAY_NS)
    found = json.loads(place.read_text())
    assert found["version"] == 1
    told = {(s["set"], s["how"]): (s["scored"], s["command"], s["figures"]) for s in found["scores"]}
    assert told == {
        ("tep", "seed 1"): ("1970-01-01", "x", {"detected": 0.8}),
        ("tep", "as it is"): ("1970-01-02", "y", {"detected": 0.95}),
        ("skab", "as it is"): ("1970-01-02", "y", {"caught": 12.0}),
    }


def test_what_is_no_number_is_left_out(tmp_path: Path) -> None:
    place = tmp_path / "scores.json"
    note(place, [scored("nab", score=float("nan"), width=float("inf"), caught=1.0)], command="x", now_ns=0)
    assert json.loads(place.read_text())["scores"][0]["figures"] == {"caught": 1.0}


@pytest.mark.parametrize("text", ["", "[]", '{"version": 9, "scores": []}', '{"version": 1}'])
def test_another_file_is_left_alone(tmp_path: Path, text: str) -> None:
    place = tmp_path / "scores.json"
    place.write_text(text)
    with pytest.raises(StudyError, match="name another file"):
        note(place, [scored("tep")], command="x", now_ns=0)
    assert place.read_text() == text
