"""Errors say what, where, and carry their attributes."""

import json

import pytest

from penstock.core.errors import ConfigError, PeerError, PenstockError, RetryLater, reason_of


def test_attributes_are_kept() -> None:
    error = PenstockError("no", tag=7)
    assert (str(error), error.message, error.attributes) == ("no", "no", {"tag": 7})


def test_config_error_names_file_line_and_key() -> None:
    assert str(ConfigError("is wrong", file="a.yaml", line=3, key="tags.x")) == "a.yaml:3: tags.x: is wrong"
    assert str(ConfigError("is wrong", file="a.yaml", line=None, key="")) == "a.yaml: is wrong"


def test_config_error_carries_the_others() -> None:
    other = ConfigError("b", file="f", line=2, key="k")
    assert ConfigError("a", file="f", line=1, key="k", others=(other,)).others == (other,)


def test_peer_error_has_a_problem_type() -> None:
    assert PeerError("x").problem == "malformed"
    assert PeerError("x", problem="frame-corrupt", offset=3).attributes == {"offset": 3}


def test_retry_later_says_when() -> None:
    assert RetryLater(250).after_ms == 250
    assert "250 ms" in str(RetryLater(250))
    assert str(RetryLater(1, "full")) == "full"


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (FileNotFoundError(2, "No such file or directory"), "No such file or directory"),
        (KeyError("family"), "'family' is missing in it"),
        (AttributeError("'list' object has no attribute 'items'"), "its values have another form"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "it is no UTF-8 text"),
        (json.JSONDecodeError("Expecting value", "", 0), "it is no JSON: Expecting value: line 1"),
        (ValueError("line 1 column 1"), "line 1 column 1"),
    ],
)
def test_a_reason_is_words_and_no_name_of_a_class(error: Exception, says: str) -> None:
    assert reason_of(error).startswith(says)
    assert "Error" not in reason_of(error)
    assert "object has no" not in reason_of(error)
