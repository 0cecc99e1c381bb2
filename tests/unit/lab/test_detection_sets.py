"""Adapters write studies that tell nothing of the truth, which is kept apart; broken sets are told by their place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from penstock.lab.detection_truth import read_truth
from penstock.lab.sets import nab, skab, tep
from penstock.lab.sets.recorded import time_ns
from penstock.lab.study import Study, StudyError, read_rows, read_study
from tests.builders.lab_sets import NAB_FAULT, NAB_ROWS, SKAB_FAULT, SKAB_ROWS, make_nab, make_skab, make_tep


def uses(study: Study) -> list[str]:
    return [stretch.use for stretch in study.assets[0].stretches]


def test_tep_runs_follow_their_healthy_rows(tmp_path: Path) -> None:
    make_tep(tmp_path / "tep")
    tep.make_study(tmp_path / "tep", tmp_path / "study", truth=tmp_path / "truth.json")
    study, truth = read_study(tmp_path / "study"), read_truth(tmp_path / "truth.json")
    assert (study.family, uses(study), len(study.assets)) == ("detection", ["fit", "limits", "watch"], 12)
    rows = read_rows(tmp_path / "study", "m000")
    assert (rows.num_rows, rows.num_columns) == (300 + 300 + 200, 53)
    times = rows["time"].to_numpy()
    assert (np.diff(times) > 0).all()
    watch = study.assets[0].stretches[2]
    ((start_ns, end_ns),) = truth.assets["m000"].faults
    assert int(((times >= watch.start_ns) & (times < start_ns)).sum()) == 160
    assert end_ns == watch.end_ns
    assert [each.label for each in truth.assets.values() if not each.scored] == ["fault 3", "fault 9"]


def test_skab_runs_are_watched_behind_their_healthy_rows_and_labels_stay_out(tmp_path: Path) -> None:
    make_skab(tmp_path / "skab")
    skab.make_study(tmp_path / "skab", tmp_path / "study", truth=tmp_path / "truth.json")
    study, truth = read_study(tmp_path / "study"), read_truth(tmp_path / "truth.json")
    assert (len(study.assets), uses(study)) == (2, ["fit", "watch"])
    rows = read_rows(tmp_path / "study", "m000")
    assert rows.column_names == ["time", *(f"ch{j:02d}" for j in range(8))]
    times = rows["time"].to_numpy()
    assert len(times) == SKAB_ROWS
    assert times[0] == time_ns("2020-03-09 10:00:00")
    assert int((times < study.assets[0].stretches[0].end_ns).sum()) == 400
    ((start_ns, end_ns),) = truth.assets["m000"].faults
    assert (np.searchsorted(times, [start_ns, end_ns]) == [SKAB_FAULT.start, SKAB_FAULT.stop]).all()


def test_nab_series_are_judged_from_their_first_row_and_equal_stamps_keep_their_order(tmp_path: Path) -> None:
    make_nab(tmp_path / "nab")
    nab.make_study(tmp_path / "nab", tmp_path / "study", truth=tmp_path / "truth.json")
    study, truth = read_study(tmp_path / "study"), read_truth(tmp_path / "truth.json")
    assert (study.family, uses(study)) == ("stream", ["watch"])
    by_label = {each.label: name for name, each in truth.assets.items()}
    assert by_label.keys() == {"made/jump.csv", "made/calm.csv"}
    times = read_rows(tmp_path / "study", by_label["made/calm.csv"])["time"].to_numpy()
    assert len(times) == NAB_ROWS
    assert times[700] - times[699] == 1_000
    ((start_ns, end_ns),) = truth.assets[by_label["made/jump.csv"]].faults
    times = read_rows(tmp_path / "study", by_label["made/jump.csv"])["time"].to_numpy()
    assert (np.searchsorted(times, [start_ns, end_ns]) == [NAB_FAULT.start, NAB_FAULT.stop]).all()


def test_a_seed_shuffles_assets_and_channels_and_rescales(tmp_path: Path) -> None:
    make_skab(tmp_path / "skab", runs=4)
    for seed in (None, 1, 1, 2):
        place = tmp_path / f"{seed}-{len(list(tmp_path.iterdir()))}"
        skab.make_study(tmp_path / "skab", place / "study", truth=place / "truth.json", seed=seed)
    plain, one, again, two = sorted(tmp_path.glob("*-*"), key=lambda place: int(place.name.split("-")[1]))
    assert read_rows(one / "study", "m000").equals(read_rows(again / "study", "m000"))
    labels = [[each.label for each in read_truth(p / "truth.json").assets.values()] for p in (plain, one, two)]
    assert sorted(labels[1]) == labels[0]
    assert labels[1] != labels[0] or labels[2] != labels[0]
    same = next(name for name, each in read_truth(one / "truth.json").assets.items() if each.label == labels[0][0])
    hidden, shown = (read_rows(p / "study", n).to_pandas().to_numpy() for p, n in ((one, same), (plain, "m000")))
    alike = np.abs(np.corrcoef(hidden[:, 1:].T, shown[:, 1:].T)[:8, 8:])
    assert sorted(alike.argmax(axis=1)) == list(range(8))
    assert not np.allclose(hidden[:, 1:], shown[:, 1:])


@pytest.mark.parametrize("make", [tep.make_study, skab.make_study, nab.make_study])
def test_a_folder_without_the_set_is_told(make: object, tmp_path: Path) -> None:
    assert callable(make)
    with pytest.raises(StudyError, match=str(tmp_path)):
        make(tmp_path / "nothing", tmp_path / "study", truth=tmp_path / "truth.json")


@pytest.mark.parametrize(
    ("text", "says"),
    [(None, "No such file or directory; name the folder"), ("[]", "another form; name"), ("", "it is no JSON: ")],
)
def test_windows_that_are_not_there_or_none_are_told_in_words(text: str | None, says: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "labels").mkdir()
        (tmp_path / nab.WINDOWS).write_text(text)
    with pytest.raises(StudyError) as caught:
        nab.make_study(tmp_path, tmp_path / "study", truth=tmp_path / "truth.json")
    assert says in str(caught.value)
    assert "Errno" not in str(caught.value)


def test_a_broken_file_is_told(tmp_path: Path) -> None:
    make_skab(tmp_path / "skab")
    (tmp_path / "skab" / "valve1" / "0.csv").write_text("datetime;a;anomaly\n2020-01-01 00:00:00;x;0\n")
    with pytest.raises(StudyError, match=r"valve1/0\.csv"):
        skab.make_study(tmp_path / "skab", tmp_path / "study", truth=tmp_path / "truth.json")
    make_tep(tmp_path / "tep")
    (tmp_path / "tep" / "d00.dat.gz").write_text("no gzip")
    with pytest.raises(StudyError, match=r"d00\.dat\.gz"):
        tep.make_study(tmp_path / "tep", tmp_path / "study2", truth=tmp_path / "truth.json")
