"""Apps on the start page are told apart by their marks."""

import re

import pytest

from penstock.platform.api.start import TONES, marks
from tests.arch.sources import ROOT


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["Maintenance", "Monitoring"], ["Ma", "Mo"]),
        (["Energy report", "Energy rates"], ["ER", "En"]),
        (["Mono", "Monitoring"], ["Mo", "Mn"]),
        (["my-app", "X", "x", "…"], ["MA", "X", "X2", "?"]),
        (["Öl", "öl"], ["Öl", "Ö2"]),
        (["OEE", "Oeuvre"], ["OE", "Ou"]),
        ([], []),
    ],
)
def test_marks_differ_and_follow_the_names(names: list[str], wanted: list[str]) -> None:
    assert marks(names) == wanted


def test_a_mark_is_given_also_where_letters_run_out() -> None:
    given = marks(["X"] * 20)
    assert given[:9] == ["X", *(f"X{digit}" for digit in range(2, 10))]
    assert len(given) == 20


def test_every_tone_has_its_colour_in_light_and_dark() -> None:
    css = (ROOT / "platform/src/penstock/platform/kit/static/penstock.css").read_text()
    for tone in range(TONES):
        assert len(re.findall(rf"--tone-{tone}: #", css)) == 2
        assert f".tone-{tone} {{" in css
