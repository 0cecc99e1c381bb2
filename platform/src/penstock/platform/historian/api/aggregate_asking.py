"""How aggregates are asked for: the settings of OPC UA Part 13, 4.2.1.2, and which of them suit a tag's type."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Annotated

from fastapi import Depends, Query
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from penstock.core.aggregate import BY_STATE, BY_STATUS, Aggregate, AggregateSettings
from penstock.core.values import ValueType
from penstock.core.windows import WINDOWS_MAX, TooManyWindows, Window, windows
from penstock.platform.kit.problems import invalid
from penstock.platform.registry.service import TagRef

CELLS_MAX = 1_000_000
"""Values of one answer, all columns together: 20 MB of JSON."""

_SUIT = {ValueType.STRING: BY_STATUS, ValueType.BOOL: BY_STATE}
_EVERY = frozenset(Aggregate)


def _named(text: object) -> object:
    """Take a name of an aggregate; say which one may be meant where it is none."""
    names = {name.value.lower(): name.value for name in Aggregate}
    if not isinstance(text, str) or names.get(text.lower()) == text:
        return text
    near = difflib.get_close_matches(text.lower(), names, n=1)
    meant = f"; did you mean {names[near[0]]}?" if near else "; docs/reference/aggregates.md lists the names"
    kind = "aggregate"
    raise PydanticCustomError(kind, "{text} is no aggregate{meant}", {"text": repr(text)[:64], "meant": meant})


AggregateName = Annotated[Aggregate, BeforeValidator(_named)]
Percent = Annotated[float, Query(ge=0, le=100)]


def _settings(
    stepped: Annotated[bool, Query(description="false: the line between samples; bool and text always step")] = True,
    treat_uncertain_as_bad: Annotated[bool, Query(description="leave Uncertain samples out")] = False,
    percent_data_good: Annotated[Percent, Query(description="Good from this share on")] = 100.0,
    percent_data_bad: Annotated[Percent, Query(description="Bad from this share on")] = 100.0,
    use_sloped_extrapolation: Annotated[bool, Query(description="go on with the last slope after the data")] = False,
) -> AggregateSettings:
    if percent_data_good < 100.0 - percent_data_bad:
        msg = "percent_data_good must be at least 100 - percent_data_bad (OPC UA Part 13, 4.2.1.2)"
        raise invalid(msg)
    return AggregateSettings(
        stepped=stepped,
        treat_uncertain_as_bad=treat_uncertain_as_bad,
        percent_data_good=percent_data_good,
        percent_data_bad=percent_data_bad,
        use_sloped_extrapolation=use_sloped_extrapolation,
    )


Settings = Annotated[AggregateSettings, Depends(_settings)]


def settings_of(tag: TagRef, asked: AggregateSettings, now_ns: int) -> AggregateSettings:
    """Fit the settings to a tag: the newest value holds until now, text and bool have no slope."""
    is_number = ValueType(tag.value_type) not in (ValueType.STRING, ValueType.BOOL)
    return AggregateSettings(
        stepped=asked.stepped or not is_number,
        treat_uncertain_as_bad=asked.treat_uncertain_as_bad,
        percent_data_good=asked.percent_data_good,
        percent_data_bad=asked.percent_data_bad,
        use_sloped_extrapolation=asked.use_sloped_extrapolation and is_number,
        textual=tag.value_type == ValueType.STRING,
        covered_until_ns=now_ns,
    )


def need_suitable(tags: Mapping[int, TagRef], wanted: Iterable[Aggregate]) -> None:
    """Raise Problem 422 that names the first tag and aggregate that do not go together."""
    for tag in tags.values():
        kind = ValueType(tag.value_type)
        suit = _SUIT.get(kind, _EVERY)
        for name in wanted:
            if name not in suit:
                some = ", ".join(sorted(suit))
                msg = f"{name} has no meaning for {tag.key} (tag {tag.id}) of type {kind}; ask for one of {some}"
                raise invalid(msg, tag=tag.id, aggregate=str(name))


def need_numbers(tags: Mapping[int, TagRef], what: str) -> None:
    """Raise Problem 422 that names the first tag of text, and says `what` needs numbers."""
    for tag in tags.values():
        if tag.value_type == ValueType.STRING:
            msg = f"{tag.key} (tag {tag.id}) is of type string; {what} numbers, or bool; its values are in /v1/samples"
            raise invalid(msg, tag=tag.id)


def calendar(start_ns: int, end_ns: int, interval: str, zone: str) -> list[Window]:
    """Cut a span into calendar windows; Problem 422 that says what is wrong."""
    try:
        return windows(start_ns, end_ns, interval, zone)
    except TooManyWindows as error:
        msg = f"{error}."
        raise invalid(msg, limit=error.limit) from None
    except ValueError as error:
        raise invalid(str(error)) from None


def need_few(windows: int, tags: Mapping[int, TagRef], columns: int) -> None:
    """Raise Problem 422 where the answer would be too large."""
    rows = windows * len(tags)
    limit = min(WINDOWS_MAX, CELLS_MAX // columns)
    if rows > limit:
        told = f"{windows} windows of {len(tags)} tags in {columns} columns are more than {limit} rows, the limit"
        msg = f"{told} of one question; take a longer interval, a shorter span, fewer tags or fewer aggregates."
        raise invalid(msg, limit=limit)
