"""Failure modes of an asset type: what is read, and what is refused with file, line and key."""

import re

import pytest
from jsonschema import Draft202012Validator, ValidationError  # type: ignore[import-untyped]

from penstock.core.errors import ConfigError
from penstock.core.failure_modes import MODES_MAX, SIGNS_MAX, SignDirection, sign_findings
from penstock.core.plant import asset_type_json_schema, parse_asset_type

SIGNS = "{flow: falls, health: departs, energy: rises, running: unsteady}"
TYPE = """\
version: 1
type: pump
revision: 1
properties:
  flow: {kind: measurement, type: float64, unit: m3/h}
  running: {kind: measurement, type: bool}
  trip: {kind: measurement, type: string}
  health: {kind: metric, type: float64}
  energy: {kind: transform, type: float64, expression: power / flow}
  rated_power: {kind: attribute, type: float64}
failure_modes:
  seal-leak:
    part: shaft seal
    signs: %SIGNS%
    notice_h: 24
""".replace("%SIGNS%", SIGNS)


def read(text: str) -> str:
    """Give what is said of the text: its errors, or nothing."""
    try:
        parse_asset_type(text, file="types/pump.yaml", environ={})
    except ConfigError as error:
        return "\n".join(str(each) for each in (error, *error.others))
    return ""


def test_signs_keep_their_order_and_each_direction_is_read() -> None:
    mode = parse_asset_type(TYPE, file="t", environ={}).failure_modes["seal-leak"]
    assert list(mode.signs) == ["flow", "health", "energy", "running"]
    assert set(mode.signs.values()) == set(SignDirection)
    assert (mode.part, mode.description, mode.action, mode.notice_h) == ("shaft seal", "", "", 24.0)


def test_a_type_without_failure_modes_is_read_as_before() -> None:
    assert parse_asset_type(TYPE.partition("failure_modes")[0], file="t", environ={}).failure_modes == {}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("flow: falls", "flwo: falls", r"pump.yaml:14: failure_modes.seal-leak.signs.flwo: .*did you mean 'flow'"),
        ("flow: falls", "trip: falls", r"signs.trip: 'trip' is a string; a sign is a number or a bool"),
        ("flow: falls", "rated_power: falls", r"signs.rated_power: 'rated_power' is an attribute, which does not move"),
        ("flow: falls", "flow: sinks", r"pump.yaml:14: .*signs.flow: should be 'rises', 'falls', 'departs' or 'unst"),
        ("flow: falls", "1flow: falls", r"pump.yaml:14: .*signs.1flow"),
        ("  seal-leak", "  seal_leak", r"pump.yaml:12: failure_modes.seal_leak: .*kebab-case.*such as seal-leak"),
        ("  seal-leak", "  " + "x" * 64, r"pump.yaml:12: .*at most 63 characters"),
        ("part: shaft seal", "prat: shaft seal", r"pump.yaml:13: .*prat: .*did you mean 'part'"),
        ("part: shaft seal", f"part: {'x' * 129}", r"pump.yaml:13: .*part: String should have at most 128"),
        ("part: shaft seal", 'part: "a\\nb"', r"pump.yaml:13: .*part"),
        ("notice_h: 24", "notice_h: 0", r"pump.yaml:15: .*notice_h: should be greater than 0"),
        ("notice_h: 24", "notice_h: 43801", r"pump.yaml:15: .*notice_h"),
        ("notice_h: 24", f"action: {'x' * 1025}", r"pump.yaml:15: .*action"),
        (
            "{flow: falls, health: departs, energy: rises, running: unsteady}",
            "{}",
            r"pump.yaml:14: .*signs: .*at least",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_line(old: str, new: str, says: str) -> None:
    assert re.search(says, read(TYPE.replace(old, new, 1)))


def test_every_wrong_sign_is_told_at_once() -> None:
    said = read(TYPE.replace("flow: falls, health: departs", "flwo: falls, helth: departs"))
    assert "'flwo'" in said
    assert "'helth'" in said


def many(modes: int, signs: int) -> str:
    properties = "".join(f"  p{n}: {{kind: measurement, type: float64}}\n" for n in range(signs))
    named = ", ".join(f"p{n}: rises" for n in range(signs))
    each = "".join(f"  m{n}: {{part: x, signs: {{{named}}}}}\n" for n in range(modes))
    return f"version: 1\ntype: t\nrevision: 1\nproperties:\n{properties}failure_modes:\n{each}"


def test_numbers_of_modes_and_signs_are_bounded() -> None:
    assert read(many(MODES_MAX, SIGNS_MAX)) == ""
    assert f"at most {MODES_MAX}" in read(many(MODES_MAX + 1, 1))
    assert f"at most {SIGNS_MAX}" in read(many(1, SIGNS_MAX + 1))


def test_findings_are_the_same_without_a_file() -> None:
    properties = {"flow": ("measurement", "float64"), "trip": ("measurement", "string")}
    found = list(sign_findings({"m": ["flow", "trip", "none"]}, properties))
    assert [path for _, path in found] == [("failure_modes", "m", "signs", name) for name in ("trip", "none")]


def test_schema_refuses_what_the_reader_refuses() -> None:
    judge = Draft202012Validator(asset_type_json_schema())
    mode = {"part": "x", "signs": {"flow": "rises"}}
    whole = {"version": 1, "type": "t", "revision": 1, "failure_modes": {"seal-leak": mode}}
    judge.validate(whole)
    for wrong in ({"part": "x"}, {**mode, "signs": {"flow": "up"}}, {**mode, "signs": {}}, {**mode, "more": 1}):
        with pytest.raises(ValidationError):
            judge.validate({**whole, "failure_modes": {"seal-leak": wrong}})
