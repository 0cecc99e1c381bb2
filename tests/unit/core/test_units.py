"""Units convert, or say which two do not."""

import subprocess
import sys

import pytest

from penstock.core.units import (
    _PARTS,
    _PLAIN_SCALES,
    PLAIN_UNITS,
    Conversion,
    _as_numbers,
    _conversion_by_pint,
    conversion,
    is_known_unit,
    is_plain_unit,
    unit_problem,
)


@pytest.mark.parametrize(
    ("source", "target", "scale", "offset"),
    [
        ("l/min", "m3/h", 0.06, 0.0),
        ("degC", "K", 1.0, 273.15),
        ("°C", "degF", 1.8, 32.0),
        ("%", "1", 0.01, 0.0),
        ("mm/s", "m/s", 0.001, 0.0),
        ("mm/s2", "m/s^2", 0.001, 0.0),
        ("m³/h", "m3/h", 1.0, 0.0),
        ("Nm", "kN*m", 0.001, 0.0),
        ("kvar", "var", 1000.0, 0.0),
        ("pcs/min", "1/min", 1.0, 0.0),
        ("kWh/m3", "J/m**3", 3.6e6, 0.0),
        ("g_n", "m/s2", 9.80665, 0.0),
        ("degC/min", "K/s", 1 / 60, 0.0),
    ],
)
def test_what_plants_write_converts(source: str, target: str, scale: float, offset: float) -> None:
    found = conversion(source, target)
    assert found.scale == pytest.approx(scale, rel=1e-14)
    assert found.offset == pytest.approx(offset, rel=1e-14)


def test_equal_texts_convert_whatever_they_say() -> None:
    assert conversion("bottles", "bottles").is_identity


@pytest.mark.parametrize(
    ("source", "target"), [("m", "s"), ("rpm", "Hz"), ("kg", "m3/h"), ("foo", "m"), ("m", ""), ("dB/min", "dB/s")]
)
def test_what_does_not_convert_names_both_or_the_unknown(source: str, target: str) -> None:
    with pytest.raises(ValueError, match=source):
        conversion(source, target)


@pytest.mark.parametrize("unit", ["dB", "dBm"])
def test_curves_are_refused(unit: str) -> None:
    with pytest.raises(ValueError, match="curve"):
        conversion(unit, "1" if unit == "dB" else "W")


@pytest.mark.parametrize(
    "unit",
    ["2**9**9**9", "m**4**4**4", "m**(4**4)", "(m**4)**4", "9" * 30, "m" * 65, "__import__('os')", "()", "m-1"],
)
def test_hostile_units_are_refused_quickly(unit: str) -> None:
    assert not is_known_unit(unit)


def test_scale_comes_before_the_unit() -> None:
    assert Conversion(0.5, 1.0).after(10.0, 4.0) == Conversion(5.0, 3.0)


def test_what_is_known_without_pint_pint_knows_too() -> None:
    ratios = [f"{over}/s" for over in (*_PARTS, "1", "%")] + [f"1/{under}" for under in _PARTS]
    plain = [unit for unit in (*PLAIN_UNITS, *_PARTS, *ratios) if is_plain_unit(unit)]
    assert len(plain) > 2 * len(_PARTS)
    assert [unit for unit in plain if not is_known_unit(_as_numbers(unit))] == []


@pytest.mark.parametrize("unit", ["/", "m/", "/s", "m4", "1", "m/s/s", "barr/h", "m/hourz"])
def test_what_is_not_plain_is_left_to_pint(unit: str) -> None:
    assert not is_plain_unit(unit)


@pytest.mark.parametrize(("source", "target"), _PLAIN_SCALES)
def test_what_converts_without_pint_converts_as_with_it(source: str, target: str) -> None:
    assert conversion(source, target) == _conversion_by_pint(source, target)


def test_the_demo_plant_loads_no_pint() -> None:
    """Gateway and simulators would spend half a second of CPU on it at each start."""
    program = """
import sys
from pathlib import Path
from penstock.core.device_file import parse_device_file

for path in Path("plant/devices").glob("*.yaml"):
    for tag in parse_device_file(path.read_text(), file=path.name, environ={}).tags.values():
        tag.conversion
sys.stdout.write(f"pint is loaded: {'pint' in sys.modules}")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.stdout == "pint is loaded: False", ended.stderr


def test_known_units_are_known() -> None:
    assert is_known_unit("m3/h")


@pytest.mark.parametrize(
    "unit", ["", "m3/h", "%", "1/h", "°C", "Nm3/h", "dB(A)", "barg", "EUR/kWh", "bottles", "batches/h", "{trays}/h"]
)
def test_what_plants_write_can_be_kept(unit: str) -> None:
    assert unit_problem(unit) is None


@pytest.mark.parametrize(("unit", "meant"), [("m3/hourz", "m3/hour"), ("barr", "bar"), ("EURO/kwh", "EUR/kWh")])
def test_a_misspelt_unit_is_refused_with_what_may_be_meant(unit: str, meant: str) -> None:
    assert f"did you mean {meant!r}?" in str(unit_problem(unit))


@pytest.mark.parametrize("unit", ["xyzzyq", "{a}{", "{}", "{(}", "m" * 65, "2**9**9", "{a}**9**9**9"])
def test_what_is_no_unit_is_refused_without_a_guess(unit: str) -> None:
    problem = unit_problem(unit)
    assert problem is not None
    assert "did you mean" not in problem
