"""Status codes are the standard's, as asyncua's table has them."""

import pytest
from asyncua.ua.status_codes import code_to_name_doc

from penstock.core import status


@pytest.mark.parametrize(("code", "listed"), sorted(status.NAMES.items()))
def test_names_and_codes_are_the_standards(code: int, listed: str) -> None:
    if listed in ("Good", "Uncertain", "Bad"):
        assert code & 0x3FFF_FFFF == 0
    else:
        assert code_to_name_doc[code][0] == listed


@pytest.mark.parametrize(
    ("code", "quality"),
    [
        (0, "good"),
        (0x0000_0480, "good"),
        (0x4090_0000, "uncertain"),
        (0x8031_0000, "bad"),
        (0xC000_0000, "bad"),
    ],
)
def test_quality_is_the_severity(code: int, quality: str) -> None:
    assert status.quality(code) == quality
    assert status.is_good(code) == (quality == "good")
    assert status.is_bad(code) == (quality == "bad")


def test_name_ignores_the_flags_and_shows_unlisted_codes() -> None:
    assert status.name(0x8031_0480) == "BadNoCommunication"
    assert status.name(0x80FF_0000) == "Bad 0x80FF0000"


def test_overflow_needs_the_info_type() -> None:
    assert status.has_overflow(0x480)
    assert not status.has_overflow(0x080)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("good", 0),
        ("Uncertain", 1073741824),
        ("BAD ", 2147483648),
        ("BadNoCommunication", 2150694912),
        ("0x80310000", 2150694912),
        ("2150694912", 2150694912),
        (7, 7),
    ],
)
def test_status_is_read_from_code_word_or_name(text: str | int, code: int) -> None:
    assert status.parse_status(text) == code


@pytest.mark.parametrize("text", ["fine", "", -1, 2**32, "4294967296", True, "1.5"])
def test_what_is_no_status_is_refused(text: str | int) -> None:
    with pytest.raises(ValueError, match="status"):
        status.parse_status(text)
