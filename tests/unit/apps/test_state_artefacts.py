"""Fitted models stay as versions, a changed file is refused; healthy stretches are read from attributes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from penstock.apps.maintenance.detection.fitting import Rows, fit
from penstock.apps.maintenance.detection.model import Model
from penstock.apps.maintenance.state.artefacts import ArtefactError, Artefacts
from penstock.apps.maintenance.state.healthy import Healthy, HealthyError, healthy_of
from penstock.sdk.models import Property

HEALTHY = Healthy((10, 20), (30, 40))


def model(seed: int = 1) -> Model:
    values = np.random.default_rng(seed).normal(size=(200, 3))
    return fit(Rows(np.arange(200), values), channels=["a", "b", "c"], source="ast_1")


def attributes(**given: object) -> list[Property]:
    return [Property(name, "attribute", "string", value=str(value)) for name, value in given.items()]


def test_each_fit_is_a_version_and_the_newest_is_used(tmp_path: Path) -> None:
    kept = Artefacts(tmp_path)
    assert kept.used("ast_1") is None
    first = kept.keep("ast_1", model(), HEALTHY, period_ns=5, fitted_ns=7)
    second = kept.keep("ast_1", model(2), HEALTHY, period_ns=5, fitted_ns=8)
    assert (first.number, second.number, kept.numbers("ast_1")) == (1, 2, [1, 2])
    used = Artefacts(tmp_path).used("ast_1")
    assert used is not None
    assert (used.number, used.fitted_ns, used.healthy, used.period_ns) == (2, 8, HEALTHY, 5)
    assert used.model.to_json() == second.model.to_json()


def test_an_older_version_can_be_taken_back(tmp_path: Path) -> None:
    kept = Artefacts(tmp_path)
    first = kept.keep("ast_1", model(), HEALTHY, period_ns=5, fitted_ns=7)
    kept.keep("ast_1", model(2), HEALTHY, period_ns=5, fitted_ns=8)
    kept.use("ast_1", 1)
    used = kept.used("ast_1")
    assert used is not None
    assert used.model.fitted_on.digest == first.model.fitted_on.digest
    assert kept.keep("ast_1", model(3), HEALTHY, period_ns=5, fitted_ns=9).number == 3
    with pytest.raises(ArtefactError, match="no version 9"):
        kept.use("ast_1", 9)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    kept = Artefacts(tmp_path)
    kept.keep("ast_1", model(), HEALTHY, period_ns=5, fitted_ns=7)
    place = tmp_path / "ast_1" / "0001.json"
    place.write_text(place.read_text().replace("0.9", "0.8", 1))
    with pytest.raises(ArtefactError, match="was changed after it was written"):
        kept.used("ast_1")
    place.unlink()
    with pytest.raises(ArtefactError, match="no model"):
        kept.used("ast_1")


@pytest.mark.parametrize("text", ["", "{", '{"sha256": 1}', "[]", "\xff"], ids=["empty", "cut", "bare", "list", "sign"])
def test_a_file_that_is_cut_off_is_told_in_words(tmp_path: Path, text: str) -> None:
    kept = Artefacts(tmp_path)
    kept.keep("ast_1", model(), HEALTHY, period_ns=5, fitted_ns=7)
    (tmp_path / "ast_1" / "0001.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ArtefactError, match="no model"):
        Artefacts(tmp_path).used("ast_1")


def test_a_broken_version_stands_in_the_way_of_no_new_fit(tmp_path: Path) -> None:
    first = Artefacts(tmp_path)
    first.keep("ast_1", model(), HEALTHY, period_ns=5, fitted_ns=7)
    first.keep("ast_1", model(2), HEALTHY, period_ns=5, fitted_ns=8)
    (tmp_path / "ast_1" / "0002.json").write_text("{")
    (tmp_path / "ast_1" / "0002-saved.json").write_text("{")
    kept = Artefacts(tmp_path)
    assert not kept.suits("ast_1", Healthy((50, 60)), ["a", "b", "c"])
    assert kept.suits("ast_1", HEALTHY, ["a", "b", "c"])
    assert [each.number for each in kept.whole("ast_1")] == [1]
    assert kept.keep("ast_1", model(3), HEALTHY, period_ns=5, fitted_ns=9).number == 3


def test_the_healthy_stretch_is_read_from_attributes() -> None:
    named = {"healthy_from": "1970-01-01T00:00:00Z", "healthy_until": "1970-01-01T00:00:00.5Z"}
    check = {"check_from": "1970-01-01T00:00:01Z", "check_until": "1970-01-01T00:00:02Z"}
    assert healthy_of(attributes(maker="x")) is None
    assert healthy_of(attributes(**named)) == Healthy((0, 500_000_000))
    both = healthy_of(attributes(**named, **check))
    assert both == Healthy((0, 500_000_000), (1_000_000_000, 2_000_000_000))
    assert both is not None
    assert both.until_ns == 2_000_000_000


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"healthy_from": "2026-01-01T00:00:00Z"}, "healthy_until is missing"),
        ({"healthy_from": "yesterday", "healthy_until": "2026-01-01T00:00:00Z"}, "healthy_from is no time"),
        ({"healthy_from": "2026-01-02T00:00:00Z", "healthy_until": "2026-01-01T00:00:00Z"}, "must lie before"),
        ({"check_from": "2026-01-01T00:00:00Z"}, "healthy_from and healthy_until are missing"),
    ],
)
def test_a_stretch_named_wrongly_is_told(given: dict[str, str], said: str) -> None:
    with pytest.raises(HealthyError, match=said):
        healthy_of(attributes(**given))
