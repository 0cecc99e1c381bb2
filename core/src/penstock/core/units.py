"""Units of measurement: the linear conversion from the device's unit into the tag's."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

UNIT_MAX_CHARS: Final = 64
_UNIT_TEXT = re.compile(
    r"(?:[^\W\d_]|[ _%°*/().·⋅²³⁻¹-]|\^|(?<=[^\W\d])[1-4](?!\d)|(?<=[*^ -])[1-4](?!\d)|\b1(?=\s*/)|^1$)*"
)
"""Letters, operators and one-digit powers only: pint computes powers of powers for as long as they take."""
_COSTLY = re.compile(r"\d\s*(?:\*\*|\^)|(?:\*\*|\^)\s*\(|\)\s*(?:\*\*|\^)")
_POWER = re.compile(r"([^\W\d_])([2-4])(?![\w])")
_SPELLED: Final = (
    (re.compile(r"\bN(?=m3\b|m³)"), ""),
    (re.compile(r"\bNm\b"), "N*m"),
    (re.compile(r"\bpcs\b"), "count"),
    (re.compile(r"\bpieces?\b"), "count"),
    (re.compile(r"\b(k|M)?var\b"), r"\1VA"),
)
"""What plants write and pint reads otherwise: Nm (number metre), pcs (parsec), var, Nm3 (at reference conditions)."""

_WORD: Final = re.compile(r"[^\W\d_]+")
_BRACES: Final = re.compile(r"\{[\w .-]+\}")
_TEXTS: Final = frozenset(
    [
        "barg",
        "bara",
        "psig",
        "psia",
        "NTU",
        "FNU",
        "EUR",
        "USD",
        "bottles",
        "items",
        "parts",
        "batches",
        "strokes",
        "people",
    ]
)
"""What plants write and nothing converts: gauge pressure, turbidity, money, things that are counted."""
_USUAL: Final = tuple(
    [
        "m",
        "mm",
        "cm",
        "km",
        "um",
        "m3",
        "l",
        "ml",
        "s",
        "ms",
        "min",
        "h",
        "d",
        "hour",
        "minute",
        "second",
        "day",
        "kg",
        "g",
        "mg",
        "t",
        "bar",
        "mbar",
        "Pa",
        "kPa",
        "MPa",
        "hPa",
        "psi",
        "degC",
        "degF",
        "K",
        "A",
        "mA",
        "V",
        "mV",
        "kV",
        "W",
        "kW",
        "MW",
        "kWh",
        "MWh",
        "J",
        "kJ",
        "Hz",
        "kHz",
        "rpm",
        "N",
        "kN",
        "Nm",
        "VA",
        "kVA",
        "var",
        "kvar",
        "ohm",
        "mol",
        "ppm",
        "count",
        "pcs",
        "percent",
        "meter",
        "liter",
        "gram",
        "ton",
        "watt",
        "volt",
        "ampere",
        "newton",
        "pascal",
        "joule",
        "kelvin",
        "celsius",
        "fahrenheit",
    ]
) + tuple(_TEXTS)
"""Names that a misspelt one is compared with."""
PLAIN_UNITS: Final = frozenset(["", "%", *_USUAL])
"""What is known without asking pint, whose loading costs half a second of CPU."""
_PARTS: Final = frozenset([*_USUAL, "mm2", "cm2", "m2", "km2", "mm3", "cm3", "s2"])


@dataclass(frozen=True, slots=True)
class Conversion:
    """Convert by `value × scale + offset`."""

    scale: float
    offset: float

    @property
    def is_identity(self) -> bool:
        """Say that values pass bit by bit."""
        return self.scale == 1.0 and self.offset == 0.0

    def after(self, scale: float, offset: float) -> Conversion:
        """Give the conversion that first applies `raw × scale + offset`, then this one."""
        return Conversion(self.scale * scale, self.scale * offset + self.offset)


IDENTITY: Final = Conversion(1.0, 0.0)
_PLAIN_SCALES: Final[dict[tuple[str, str], float]] = {
    ("l/min", "m3/h"): 0.06,
    ("l/s", "m3/h"): 3.6,
    ("l", "m3"): 0.001,
    ("mbar", "bar"): 0.001,
    ("kPa", "bar"): 0.01,
    ("Pa", "bar"): 1e-5,
    ("W", "kW"): 0.001,
    ("kW", "W"): 1000.0,
    ("Wh", "kWh"): 0.001,
    ("mA", "A"): 0.001,
    ("mV", "V"): 0.001,
    ("mm", "m"): 0.001,
    ("ms", "s"): 0.001,
    ("g", "kg"): 0.001,
}
"""What device files ask for most; the tests hold each against pint, which is not loaded for these."""
_FAR: Final = 100.0
"""A third point that tells a line from a curve, near enough for decibels not to overflow."""
_NO: Final = (0.0, 0.0, 0.0)


@cache
def conversion(from_unit: str, to_unit: str) -> Conversion:
    """Give the conversion; equal texts convert whatever they say; raise ValueError that names both units otherwise.

    Offset units (degC to degF or K) are converted as points on their scale, not as differences. Turns and plain
    numbers do not mix: rpm to Hz is refused, since a radian counts as 1.
    """
    if from_unit == to_unit:
        return IDENTITY
    if (scale := _PLAIN_SCALES.get((from_unit, to_unit))) is not None:
        return Conversion(scale, 0.0)
    return _conversion_by_pint(from_unit, to_unit)


def _conversion_by_pint(from_unit: str, to_unit: str) -> Conversion:
    source, target = _parse(from_unit), _parse(to_unit)
    try:
        fits = source.dimensionality == target.dimensionality and _has_angle(source) == _has_angle(target)
        zero, one, far = (
            (_registry().Quantity(x, source).to(target).magnitude for x in (0.0, 1.0, _FAR)) if fits else _NO
        )
    except (_pint().PintError, ArithmeticError) as error:
        message = f"unit {from_unit!r} does not convert to {to_unit!r}: {error}"
        raise ValueError(message) from None
    if not fits:
        message = f"unit {from_unit!r} does not convert to {to_unit!r}"
        raise ValueError(message)
    slope = one if zero == 0.0 else (far - zero) / _FAR
    if abs(far - ((one - zero) * _FAR + zero)) > 1e-6 * max(1.0, abs(far)):
        message = f"unit {from_unit!r} converts to {to_unit!r} only by a curve; give both the same unit"
        raise ValueError(message)
    return Conversion(_rounded(slope), _rounded(zero))


def _rounded(value: float) -> float:
    """Undo the registry's rounding where a short number was meant: 31.999999999999936 is 32."""
    short = f"{value:.12g}"
    return float(short) if sum(char.isdigit() for char in short.partition("e")[0]) <= 9 else value


def _has_angle(unit: Any) -> bool:
    return "radian" in str(_registry().get_root_units(unit)[1])


@cache
def unit_problem(unit: str) -> str | None:
    """Say what is wrong with a unit that a tag is to have, and what may be meant; None: it can be kept.

    It need not convert: `{bottles}/h` is text in braces, as UCUM writes it, and some words stand for themselves.
    """
    if len(unit) > UNIT_MAX_CHARS:
        return f"is longer than {UNIT_MAX_CHARS} characters"
    if is_plain_unit(unit) or is_known_unit(_as_numbers(unit)):
        return None
    spelled = _WORD.sub(lambda match: _nearest(match[0]), unit)
    meant = f"; did you mean {spelled!r}?" if spelled != unit and unit_problem(spelled) is None else ""
    return f"unit {unit!r} is not known{meant} (a text that is no unit stands in braces: '{{bottles}}')"


def is_plain_unit(unit: str) -> bool:
    """Say whether a unit is a plain one, or one over another: m3/h, mm/s2, 1/h; pint need not be asked for these."""
    over, slash, under = unit.partition("/")
    if not slash:
        return unit in PLAIN_UNITS or unit in _PARTS
    return under in _PARTS and (over in _PARTS or over in ("1", "%"))


def _as_numbers(unit: str) -> str:
    return _WORD.sub(lambda match: "count" if match[0] in _TEXTS else match[0], _BRACES.sub("count", unit))


def _nearest(word: str) -> str:
    if is_known_unit(_as_numbers(word)):
        return word
    found = difflib.get_close_matches(word, _USUAL, n=1, cutoff=0.6)
    return found[0] if found else word


def is_known_unit(unit: str) -> bool:
    """Say whether the unit can be converted into others."""
    try:
        _parse(unit)
    except ValueError:
        return False
    return True


@cache
def _registry() -> Any:
    return _pint().UnitRegistry(autoconvert_offset_to_baseunit=True)


def _pint() -> Any:
    import pint  # late: a quarter of a second of CPU, which the platform would spend at each start and never needs

    return pint


def _parse(unit: str) -> Any:
    if len(unit) > UNIT_MAX_CHARS:
        message = f"unit {unit[:UNIT_MAX_CHARS]!r}… is longer than {UNIT_MAX_CHARS} characters"
        raise ValueError(message)
    text = unit.strip()
    if not _UNIT_TEXT.fullmatch(text) or _COSTLY.search(text):
        message = f"unit {unit!r} is not known: write it as in m3/h, mm/s2, kWh, degC, %"
        raise ValueError(message)
    for pattern, spelled in _SPELLED:
        text = pattern.sub(spelled, text)
    try:
        return _registry().parse_units(_POWER.sub(r"\1**\2", text))
    except Exception as error:  # noqa: BLE001  # boundary: pint's parser raises whatever its tokens lead to
        message = f"unit {unit!r} is not known: {error}"
        raise ValueError(message) from None
