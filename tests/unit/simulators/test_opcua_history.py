"""What a simulated PLC answers to HistoryRead."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from penstock.core.status import GOOD
from penstock.simulators.servers import opcua_history
from penstock.simulators.servers.opcua_history import History, Past
from tests.builders.simulators import ua

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NODE = "node"


def remembered(*seconds: int) -> History:
    history = History()
    history.add(NODE, lambda past: past.value)
    for second in seconds:
        history.record(NODE, Past(second * 1_000_000_000, float(second), GOOD))
    return history


def read(history: History, start: int, end: int, **details: Any) -> Any:
    asked = ua.HistoryReadParameters()
    asked.HistoryReadDetails = ua.ReadRawModifiedDetails(
        IsReadModified=details.get("modified", False),
        StartTime=EPOCH + timedelta(seconds=start),
        EndTime=EPOCH + timedelta(seconds=end),
        NumValuesPerNode=details.get("most", 0),
        ReturnBounds=details.get("bounds", False),
    )
    asked.NodesToRead = [ua.HistoryReadValueId(NodeId=details.get("node", NODE))]
    asked.NodesToRead[0].ContinuationPoint = details.get("continuation")
    (result,) = history.read(asked)
    return result


@pytest.mark.parametrize(
    ("start", "end", "bounds", "wanted"),
    [
        (2, 4, False, [2.0, 4.0]),
        (3, 5, False, [4.0]),
        (3, 5, True, [2.0, 4.0, 6.0]),
        (2, 4, True, [2.0, 4.0]),
        (0, 3, True, [2.0, 4.0]),
        (7, 9, True, [6.0]),
        (0, 9, True, [2.0, 4.0, 6.0]),
    ],
)
def test_range_is_inclusive_and_bounds_lie_around_it(start: int, end: int, bounds: bool, wanted: list[float]) -> None:
    assert read(remembered(2, 4, 6), start, end, bounds=bounds).HistoryData.DataValues == wanted


def test_nothing_in_the_range_is_good_no_data() -> None:
    assert read(remembered(2), 3, 4).StatusCode.name == "GoodNoData"


def test_pages_go_on_where_the_last_one_ended() -> None:
    history = remembered(1, 2, 3, 4, 5)
    first = read(history, 1, 5, most=2)
    second = read(history, 1, 5, most=2, continuation=first.ContinuationPoint)
    third = read(history, 1, 5, most=2, continuation=second.ContinuationPoint)
    found = [page.HistoryData.DataValues for page in (first, second, third)]
    assert found == [[1.0, 2.0], [3.0, 4.0], [5.0]]
    assert third.ContinuationPoint is None


def test_older_values_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opcua_history, "VALUES_MAX", 40)
    history = remembered(*range(1, 50))
    assert read(history, 0, 99).HistoryData.DataValues == [float(n) for n in range(10, 50)]
    history.add("second", lambda past: past.value)
    assert len(read(history, 0, 99).HistoryData.DataValues) == 20, "more variables, less of each"


def test_value_from_before_the_newest_is_no_history() -> None:
    assert read(remembered(1, 3, 2), 0, 9).HistoryData.DataValues == [1.0, 3.0]


def test_what_is_not_raw_history_is_refused() -> None:
    history = remembered(1)
    assert read(history, 0, 9, modified=True).StatusCode.name == "BadHistoryOperationUnsupported"
    assert read(history, 0, 9, node="unknown").StatusCode.name == "BadHistoryOperationUnsupported"
    assert read(history, 9, 0).StatusCode.name == "BadInvalidArgument"
    history.remove(NODE)
    assert read(history, 0, 9).StatusCode.name == "BadHistoryOperationUnsupported"
