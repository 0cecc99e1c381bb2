import math
from datetime import UTC, datetime, timedelta

import pandas
import polars
import pytest

from penstock.sdk import ClientError, GoneError, Samples
from penstock.sdk.resources import history
from tests.builders.sdk import BAD_NO_COMMUNICATION, NOW, PUMP, S, ramp, small_plant


async def test_latest_of_an_asset_names_every_tag_and_its_age() -> None:
    fake = small_plant()
    fake.feed("plc/flow", [(NOW - 3 * S, 41.5)])
    fake.feed("plc/mode", [(NOW - S, "auto")])
    async with fake.client() as client:
        flow, starts, _, mode = await client.latest(asset=PUMP)
    assert (flow.key, flow.value, flow.quality, flow.age_s) == ("plc/flow", 41.5, "good", 3.0)
    assert (mode.value, mode.time) == ("auto", NOW - S)
    assert starts.time is None


async def test_latest_reads_nan_of_a_float_tag_as_a_float_and_of_a_text_tag_as_text() -> None:
    fake = small_plant()
    fake.feed_now("plc/flow", math.nan)
    fake.feed_now("plc/mode", "NaN")
    async with fake.client() as client:
        flow, mode = await client.latest(["plc/flow", "plc/mode"])
    assert isinstance(flow.value, float)
    assert math.isnan(flow.value)
    assert mode.value == "NaN"


async def test_samples_walks_all_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PAGE_ROWS", 7)
    fake = small_plant()
    fake.feed("plc/flow", ramp(50))
    async with fake.client() as client:
        # PAGE_ROWS is a default argument of the pages: ask for chunks to see them
        chunks = [len(c) async for c in client.iterate("plc/flow", start="1h-ago", chunk=7)]
        samples = await client.samples("plc/flow", start="1h-ago")
    assert chunks == [7, 7, 7, 7, 7, 7, 7, 1]
    assert [s.value for s in samples] == [float(i) for i in range(50)]


async def test_samples_start_is_inclusive_and_end_exclusive() -> None:
    fake = small_plant()
    fake.feed("plc/flow", ramp(10))
    async with fake.client() as client:
        samples = await client.samples("plc/flow", start=NOW - 5 * S, end=NOW - 2 * S)
    assert [s.time for s in samples] == [NOW - 5 * S, NOW - 4 * S, NOW - 3 * S]


@pytest.mark.parametrize(
    "start",
    [
        "10s-ago",
        NOW - 10 * S,
        datetime.fromtimestamp(NOW // S - 10, UTC),
        timedelta(seconds=10),
        "2026-09-21T14:13:10Z",
    ],
)
async def test_a_time_may_be_given_in_every_form(start: str | int | datetime | timedelta) -> None:
    fake = small_plant()
    fake.feed("plc/flow", ramp(20))
    async with fake.client() as client:
        assert len(await client.samples("plc/flow", start=start)) == 10


async def test_a_time_without_zone_is_refused_with_what_to_do() -> None:
    fake = small_plant()
    async with fake.client() as client:
        with pytest.raises(ValueError, match="no time zone"):
            await client.samples("plc/flow", start=datetime(2026, 1, 1))  # noqa: DTZ001 - the mistake under test


async def test_limit_caps_the_rows() -> None:
    fake = small_plant()
    fake.feed("plc/flow", ramp(20))
    async with fake.client() as client:
        assert [s.value for s in await client.samples("plc/flow", limit=3)] == [0.0, 1.0, 2.0]


async def test_bad_samples_come_only_where_their_status_is_shown() -> None:
    fake = small_plant()
    fake.feed("plc/flow", [(NOW - 3 * S, 1.0), (NOW - 2 * S, None, BAD_NO_COMMUNICATION), (NOW - S, 2.0)])
    async with fake.client() as client:
        assert len(await client.samples("plc/flow")) == 2
        assert len(await client.samples("plc/flow", ignore_bad=False)) == 3
        shown = (await client.samples("plc/flow", include_status=True)).to_arrow()
        assert len(await client.samples("plc/flow", include_status=True, ignore_bad=True)) == 2
    assert shown.column("status").to_pylist() == [0, BAD_NO_COMMUNICATION, 0]
    assert shown.column("value").to_pylist() == [1.0, None, 2.0]


async def all_types() -> Samples:
    fake = small_plant()
    fake.feed("plc/flow", [(NOW - 3 * S, 1.5), (NOW - 2 * S, 2.5)])
    fake.feed("plc/starts", [(NOW - 3 * S, 2**53 + 1)])
    fake.feed("plc/running", [(NOW - 2 * S, True)])
    fake.feed("plc/mode", [(NOW - 2 * S, "auto")])
    async with fake.client() as client:
        return await client.samples(asset=PUMP)


async def test_wide_pandas_keeps_each_tags_type() -> None:
    frame = (await all_types()).to_pandas()
    assert list(frame.columns) == ["plc/flow", "plc/starts", "plc/running", "plc/mode"]
    assert [str(t) for t in frame.dtypes] == ["float64", "Int64", "boolean", "string"]
    assert frame["plc/starts"].iloc[0] == 2**53 + 1
    assert str(frame.index.tz) == "UTC"
    assert [int(t.value) for t in frame.index.as_unit("ns")] == [NOW - 3 * S, NOW - 2 * S]


async def test_long_arrow_of_numbers_and_text_has_a_text_column() -> None:
    table = (await all_types()).to_arrow()
    assert table.column("text").to_pylist().count("auto") == 1
    assert table.column("value").to_pylist().count(None) == 1


async def test_one_type_stays_as_it_is_in_arrow_and_polars() -> None:
    fake = small_plant()
    fake.feed("plc/starts", [(NOW - S, 2**60 + 1)])
    async with fake.client() as client:
        samples = await client.samples("plc/starts")
    assert samples.to_arrow().column("value").to_pylist() == [2**60 + 1]
    frame = samples.to_polars()
    assert frame["value"].dtype == polars.Int64
    assert frame["time"].dtype == polars.Datetime("ns", "UTC")


async def test_wide_frames_show_the_value_committed_last_of_equal_times() -> None:
    fake = small_plant()
    fake.feed("plc/flow", [(NOW - S, 1.0)])
    fake.feed("plc/flow", [(NOW - S, 2.0)])
    async with fake.client() as client:
        samples = await client.samples("plc/flow")
    assert len(samples) == 2
    assert samples.to_pandas()["plc/flow"].to_list() == [2.0]
    assert samples.to_polars(layout="wide")["plc/flow"].to_list() == [2.0]


async def test_status_stands_beside_each_tag_in_wide_pandas() -> None:
    fake = small_plant()
    fake.feed("plc/flow", [(NOW - S, None, BAD_NO_COMMUNICATION)])
    async with fake.client() as client:
        frame = (await client.samples("plc/flow", include_status=True)).to_pandas()
    assert list(frame.columns) == ["plc/flow", "plc/flow|status"]
    assert frame["plc/flow|status"].iloc[0] == BAD_NO_COMMUNICATION


async def test_no_rows_still_make_frames() -> None:
    fake = small_plant()
    async with fake.client() as client:
        samples = await client.samples("plc/flow")
    assert not samples
    assert list(samples.to_pandas().columns) == ["plc/flow"]
    assert samples.to_polars().height == 0


async def test_a_missing_library_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = small_plant()
    async with fake.client() as client:
        samples = await client.samples("plc/flow")
    monkeypatch.setitem(__import__("sys").modules, "polars", None)
    with pytest.raises(ImportError, match=r"penstock-sdk\[polars\]"):
        samples.to_polars()


async def test_aggregates_come_per_tag_and_interval() -> None:
    fake = small_plant()
    fake.feed("plc/flow", ramp(60))
    async with fake.client() as client:
        result = await client.aggregates(
            "plc/flow", aggregates=["Average", "Count"], interval="30s", start=NOW - 50 * S, end=NOW
        )
    frame = result.to_pandas()
    assert frame["plc/flow|Average"].to_list() == [24.5, 49.5]
    assert frame["plc/flow|Count"].to_list() == [30.0, 20.0]
    assert isinstance(frame.index, pandas.DatetimeIndex)
    assert result.to_polars().columns == ["tag", "key", "start", "Average", "Count"]


async def test_each_aggregate_has_its_time_and_status() -> None:
    fake = small_plant()
    fake.feed("plc/flow", ramp(60))
    async with fake.client() as client:
        result = await client.aggregates(
            "plc/flow",
            aggregates=["MaximumActualTime", "Delta"],
            interval="30s",
            start=NOW - 50 * S,
            end=NOW,
            include_status=True,
            stepped=False,
            percent_data_good=90.0,
        )
    assert result.names == ("MaximumActualTime", "Delta")
    assert result.to_polars().columns == [
        "tag", "key", "start", "MaximumActualTime", "MaximumActualTime.time", "MaximumActualTime.status",
        "Delta", "Delta.status", "status",
    ]  # fmt: skip
    frame = result.to_pandas()
    assert frame["plc/flow|Delta"].to_list() == [29.0, 19.0]
    assert frame["plc/flow|MaximumActualTime.time"].to_list()[0] == pandas.Timestamp(NOW - 21 * S, tz="UTC")
    assert frame["plc/flow|Delta.status"].to_list() == [0x401, 0x405], "the second window is cut by the span"
    assert repr(result) == "Aggregates(MaximumActualTime, Delta; 2 intervals)"


async def test_values_at_given_times_stand_side_by_side() -> None:
    fake = small_plant()
    fake.feed("plc/flow", ramp(60))
    async with fake.client() as client:
        named = await client.interpolated("plc/flow", times=[NOW - 500_000_000, NOW - 30 * S], stepped=False)
        stepped = await client.interpolated("plc/flow", start=NOW - 4 * S, end=NOW, step="2s", include_status=True)
        nothing = await client.interpolated([])
    assert named.to_pandas()["plc/flow"].to_list() == [30.0, 59.0], "after the newest sample its value holds"
    assert stepped.to_pandas()["plc/flow"].to_list() == [56.0, 58.0]
    assert stepped.to_arrow().column_names == ["tag", "key", "time", "value", "status"]
    assert (len(nothing), repr(stepped)) == (0, "Interpolated(2 values)")


async def test_a_plot_has_fewer_points_and_says_of_how_many() -> None:
    fake = small_plant()
    fake.feed("plc/flow", ramp(60))
    async with fake.client() as client:
        few = await client.plot("plc/flow", start=NOW - 60 * S, end=NOW, points=20)
        whole = await client.plot("plc/flow", start=NOW - 60 * S, end=NOW)
    [tag] = few.tags
    assert (few.samples, whole.samples) == ({tag: 60}, {tag: 60})
    assert (len(few), len(whole)) == (20, 60)
    assert few.rows(tag)[0] == (NOW - 60 * S, 0.0, 0)
    assert few.to_pandas().columns.to_list() == ["tag", "key", "time", "value", "status"]
    assert repr(few) == "Plot(20 of 60 samples)"
    with pytest.raises(ValueError, match="no common times"):
        few.to_pandas(layout="wide")


async def test_since_gives_commits_in_order_and_where_to_go_on() -> None:
    fake = small_plant()
    async with fake.client() as client:
        here = await client.since()
        fake.feed("plc/flow", [(NOW - S, 1.0)])
        fake.feed("plc/flow", [(NOW - 9 * S, 2.0)])
        first = await client.since(here.position, limit=1)
        second = await client.since(first.position)
    assert here.position == 0
    assert [s.value for s in first.samples] == [1.0]
    assert [s.value for s in second.samples] == [2.0]
    assert second.position == second.head == 2
    assert second.samples.tags[1].key == "plc/flow"


async def test_since_too_old_says_which_position_can_still_be_followed() -> None:
    fake = small_plant()
    fake.fail_next(410)
    async with fake.client() as client:
        with pytest.raises(GoneError) as gone:
            await client.since(1)
    assert gone.value.oldest is None


async def test_a_query_names_tags_or_an_asset_and_says_what_exists() -> None:
    fake = small_plant()
    async with fake.client() as client:
        with pytest.raises(ValueError, match="either tags"):
            await client.samples()
        with pytest.raises(ClientError, match="no tag with the key 'plc/fow'"):
            await client.samples("plc/fow")
        with pytest.raises(ClientError, match="it has: flow, mode, running, starts"):
            await client.samples(asset=PUMP, properties=["fow"])
        with pytest.raises(ClientError, match="no asset at 'works/x'"):
            await client.latest(asset="works/x")
