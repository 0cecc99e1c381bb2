"""One scenario on the fake and on the real platform: what the fake answers, the platform answers too."""

import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from penstock.sdk import AsyncClient, ComputedTag, ForbiddenError, InvalidRequestError, NotFoundError, Tag
from penstock.sdk.testing import FakePlatform
from tests.builders.sdk import CALC_SCOPES, PUMP, S, real_platform, register_calc

pytestmark = pytest.mark.integration


@pytest.fixture(params=["fake", "real"])
def calc(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AsyncClient]:
    """Give a client of the app calc, on a plant with Pump 1."""
    if request.param == "fake":
        fake = FakePlatform()
        fake.add_asset("works/site/hall/pump-1", name="Pump 1")
        yield fake.client(app="calc", scopes=CALC_SCOPES)
        return
    with real_platform(tmp_path) as stack:
        yield AsyncClient(stack.url("platform"), credentials=register_calc(stack))


async def test_an_app_finds_writes_reads_and_follows_alike_on_both(calc: AsyncClient) -> None:
    async with calc as client:
        asset = await client.assets.by_path(PUMP)
        assert asset.name == "Pump 1"
        paths = [node.path for root in await client.assets.tree() for node in root.walk()]
        assert paths == ["works", "works/site", "works/site/hall", PUMP]

        tag = await client.declare_tag(asset=PUMP, property="health_index", unit="%", description="0 to 100")
        assert await client.declare_tag(asset=asset, property="health_index", unit="%", description="0 to 100") == tag
        assert tag.key == f"calc/{PUMP}/health_index"
        assert [t.id for t in await client.tags.list(asset=PUMP)] == [tag.id]
        assert (await client.assets.retrieve(PUMP)).property("health_index").tag == tag.id
        await values(client, tag.id)
        await corrected(client)
        await typed(client)
        await refusals(client, tag.id)
        await many(client, tag)


async def many(client: AsyncClient, known: Tag) -> None:
    wished = [ComputedTag(PUMP, name, unit="%", description="") for name in ("health_index", "loss_a", "loss_b")]
    same, first, second = await client.declare_tags(wished)
    assert (same.id, first.key, second.property) == (known.id, f"calc/{PUMP}/loss_a", "loss_b")
    assert client.tags.known(second.id) == second
    before = {tag.id for tag in await client.tags.list(asset=PUMP)}
    assert before >= {same.id, first.id, second.id}
    with pytest.raises(NotFoundError):
        await client.declare_tags([ComputedTag(PUMP, "more"), ComputedTag("works/none", "more")])
    with pytest.raises(InvalidRequestError):
        await client.declare_tags([ComputedTag(PUMP, "more"), ComputedTag(PUMP, "more", unit="%")])
    with pytest.raises(InvalidRequestError):
        await client.declare_tags(ComputedTag(PUMP, f"more_{n}") for n in range(1001))
    assert {tag.id for tag in await client.tags.list(asset=PUMP)} == before
    assert await client.declare_tags([]) == []


async def values(client: AsyncClient, tag: int) -> None:
    now = time.time_ns() // S * S
    here = await client.since()
    written = [(now - (10 - i) * S, float(i)) for i in range(10)] + [(now - 11 * S, None, 0x80310000)]
    first = await client.write(tag, written, idempotency_key="key-1")
    assert (first.stored, first.duplicates) == (11, 0)
    again = await client.write(tag, written, idempotency_key="key-1")
    assert again == first
    other = await client.write(tag, written[:4], idempotency_key="key-2")
    assert (other.stored, other.duplicates) == (0, 4)

    (latest,) = await client.latest(tag)
    assert (latest.value, latest.time, latest.quality, latest.late, latest.future) == (
        9.0,
        now - S,
        "good",
        False,
        False,
    )

    assert [(one.tag, one.value, one.time) for one in await client.latest(everything=True)] == [(tag, 9.0, now - S)]
    samples = await client.samples(tag, start=now - 10 * S, end=now - 2 * S)
    assert [(s.time, s.value) for s in samples] == [(now - (10 - i) * S, float(i)) for i in range(8)]
    with_bad = await client.samples(tag, start=now - 60 * S, end=now, include_status=True)
    assert [(s.value, s.status) for s in with_bad][:2] == [(None, 0x80310000), (0.0, 0)]
    chunks = [len(c) async for c in client.iterate(tag, start=now - 60 * S, end=now, chunk=4)]
    assert sum(chunks) == 10
    assert len(chunks) == 3

    commits = await client.since(here.position)
    assert len(commits.samples) == 11
    assert commits.position == commits.head == other.position

    stream = client.stream(tag, cursor=here.position)
    batch = await anext(stream)
    assert len(batch.samples) == 11
    assert batch.position >= first.position
    await stream.aclose()  # type: ignore[attr-defined]


async def corrected(client: AsyncClient) -> None:
    now = time.time_ns() // S * S
    tag = await client.declare_tag(asset=PUMP, property="corrected")
    here = (await client.write(tag, [(now - k * S, float(k)) for k in range(5)])).position
    await client.write(tag, [(now, -1.0)])  # beside 0.0
    done = await client.replace(tag, [(now, 7.0), (now - S, 1.0), (now - 9 * S, 9.0), (now, 7.0)], idempotency_key="r")
    assert (done.stored, done.duplicates, done.erased) == (2, 2, 2)
    assert (
        await client.replace(tag, [(now, 7.0), (now - S, 1.0), (now - 9 * S, 9.0), (now, 7.0)], idempotency_key="r")
        == done
    )
    many = await client.replace_many({tag: [(now - 2 * S, 2.5)]})
    assert (many.stored, many.erased) == (1, 1)
    samples = await client.samples(tag, end=now + S)
    assert [s.value for s in samples] == [9.0, 4.0, 3.0, 2.5, 1.0, 7.0]
    assert (await client.latest(tag))[0].value == 7.0
    commits = await client.since(here, tag)
    assert [s.value for s in commits.samples] == [7.0, 9.0, 2.5]
    told = [(e.tag, e.start, e.end, e.position) for e in commits.erasures]
    assert told == [(tag.id, now, now + 1, done.position), (tag.id, now - 2 * S, now - 2 * S + 1, many.position)]
    stream = client.stream(tag, cursor=here)
    batch = await anext(stream)
    assert batch.erasures == commits.erasures
    assert batch.position == here
    assert [s.value for s in (await anext(stream)).samples] == [7.0, 9.0, 2.5]
    await stream.aclose()  # type: ignore[attr-defined]
    with pytest.raises(ForbiddenError):
        await client.delete(tag, start=now - S, end=now)


async def typed(client: AsyncClient) -> None:
    now = time.time_ns() // S * S
    for kind, value in (("int64", 2**53 + 1), ("bool", True), ("string", "NaN")):
        tag = await client.declare_tag(asset=PUMP, property=f"as_{kind}", type=kind)
        await client.write(tag, [(now, value)])
        assert [s.value for s in await client.samples(tag, end=now + S)] == [value]
        assert (await client.latest(tag))[0].value == value
    tag = await client.declare_tag(asset=PUMP, property="special")
    await client.write(tag, [(now, float("inf")), (now + 1, float("-inf")), (now + 2, float("nan"))])
    assert [repr(s.value) for s in await client.samples(tag, end=now + S)] == ["inf", "-inf", "nan"]
    assert repr((await client.latest(tag))[0].value) == "nan"


async def refusals(client: AsyncClient, tag: int) -> None:
    with pytest.raises(NotFoundError):
        await client.assets.retrieve("ast_no")
    with pytest.raises(NotFoundError):
        await client.latest(999_999)
    with pytest.raises(InvalidRequestError):
        await client.transport.json("GET", "/v1/samples", params=[("tag", str(tag)), ("start", "yesterday")])
    with pytest.raises(InvalidRequestError):
        await client.transport.json("GET", "/v1/samples")
    with pytest.raises(InvalidRequestError):
        await client.transport.json("GET", "/v1/tags", params=[("limit", "1001")])
    with pytest.raises(ForbiddenError):
        await client.apps.retrieve("calc")


async def test_aggregates_are_the_same_numbers_on_both(calc: AsyncClient) -> None:
    async with calc as client:
        tag = await client.declare_tag(asset=PUMP, property="x")
        hour = (time.time_ns() // (3600 * S) - 2) * 3600 * S
        await client.write(
            tag,
            [(hour, 1.0), (hour + 30 * S, 3.0), (hour + 60 * S, 5.0, 0x40000000), (hour + 90 * S, None, 0x80310000)],
        )
        names = ["Count", "Minimum", "Maximum", "Average", "TimeAverage2", "PercentGood", "StartBound", "EndBound"]
        result = await client.aggregates(
            tag, aggregates=names, interval="1m", start=hour, end=hour + 120 * S, zone="Europe/Berlin"
        )
    first, second = ({n: row[n] for n in names} for row in result.to_arrow().to_pylist())
    assert first == {
        "Count": 2.0, "Minimum": 1.0, "Maximum": 3.0, "Average": 2.0,
        "TimeAverage2": 2.0, "PercentGood": 100.0, "StartBound": 1.0, "EndBound": 5.0,
    }  # fmt: skip
    assert second == {
        "Count": 0.0, "Minimum": None, "Maximum": None, "Average": None,
        "TimeAverage2": 5.0, "PercentGood": 0.0, "StartBound": 5.0, "EndBound": None,
    }  # fmt: skip


async def test_processed_history_is_the_same_on_both(calc: AsyncClient) -> None:
    async with calc as client:
        level = await client.declare_tag(asset=PUMP, property="level")
        valve = await client.declare_tag(asset=PUMP, property="valve", type="bool")
        note = await client.declare_tag(asset=PUMP, property="note", type="string")
        hour = (time.time_ns() // (3600 * S) - 2) * 3600 * S
        await client.write(level, [(hour, 0.0), (hour + 30 * S, 6.0), (hour + 40 * S, None, 0x80310000)])
        await client.write(valve, [(hour, True), (hour + 15 * S, False), (hour + 45 * S, True)])
        await client.write(note, [(hour, "a"), (hour + 30 * S, "b"), (hour + 45 * S, None, 0x80310000)])
        span: dict[str, Any] = {"interval": "1m", "start": hour, "end": hour + 60 * S, "include_status": True}
        extremes = await client.aggregates(
            level, aggregates=["MaximumActualTime2", "DeltaBounds"], stepped=False, **span
        )
        states = await client.aggregates(valve, aggregates=["DurationInStateNonZero", "NumberOfTransitions"], **span)
        words = await client.aggregates(note, aggregates=["Count", "PercentGood", "WorstQuality"], **span)
        line = await client.interpolated(level, start=hour, end=hour + 40 * S, step="10s", stepped=False)
        drawn = await client.plot(level, start=hour, end=hour + 60 * S)
        for tag, name in ((valve, "Average"), (note, "Start")):
            with pytest.raises(InvalidRequestError, match=f"{name} has no meaning"):
                await client.aggregates(tag, aggregates=[name])
        with pytest.raises(InvalidRequestError, match=r"4\.2\.1\.2"):
            await client.aggregates(level, percent_data_good=10, percent_data_bad=10)
        with pytest.raises(InvalidRequestError, match="values at given times need numbers"):
            await client.interpolated(note)
        with pytest.raises(InvalidRequestError, match="a plot needs numbers"):
            await client.plot(note)
    [row] = extremes.to_arrow().to_pylist()
    assert (row["MaximumActualTime2"], row["MaximumActualTime2.status"]) == (6.0, 0x40A40000)
    assert extremes.table["MaximumActualTime2.time"].to_pylist() == [hour + 30 * S]
    assert (row["DeltaBounds"], row["DeltaBounds.status"]) == (None, 0x809B0000)
    [row] = states.to_arrow().to_pylist()
    assert (row["DurationInStateNonZero"], row["NumberOfTransitions"], row["status"]) == (30_000.0, 3.0, 0x401)
    [row] = words.to_arrow().to_pylist()
    assert (row["Count"], row["PercentGood"], row["WorstQuality"]) == (2.0, 75.0, float(0x80310000))
    assert line.to_pandas()[level.key].to_list() == [0.0, 2.0, 4.0, 6.0]
    assert [value for _, value, _ in drawn.rows(level.id)] == [0.0, 6.0, None]
    assert drawn.samples == {level.id: 3}


async def test_a_rule_of_an_app_raises_and_clears_alike_on_both(calc: AsyncClient) -> None:
    async with calc as client:
        tag = await client.declare_tag(asset=PUMP, property="health_index")
        rule = await client.rules.create(
            "low health", tag=tag, comparison="low", limit=60.0, deadband=5.0, on_delay_s=2.0, severity=700, message="m"
        )
        assert asdict(rule) | {"id": "", "asset": "", "property": ""} == {
            "id": "", "name": "low health", "comparison": "low", "limit": 60.0, "asset": "", "property": "",
            "tag": tag.id, "deadband": 5.0, "on_delay_s": 2.0, "severity": 700, "message": "m",
            "version": 1, "enabled": True,
        }  # fmt: skip
        now = time.time_ns() // S * S - 60 * S
        told = client.stream(tag, alarms=True, heartbeats=True)
        await anext(told)
        await client.write(tag, [(now, 80.0), (now + S, 50.0), (now + 2 * S, 49.0), (now + 3 * S, 48.0)])
        async for batch in told:
            if batch.alarms:
                break
        (alarm,) = batch.alarms
        assert (alarm.state, alarm.rule, alarm.tag) == ("unacknowledged_active", rule.id, tag.id)
        assert (alarm.raised, alarm.value, alarm.limit) == (now + 3 * S, 50.0, 60.0)
        assert [a.id for a in await client.alarms.list(active=True)] == [alarm.id]
        with pytest.raises(ForbiddenError):
            await client.alarms.acknowledge(alarm.id)
        await client.write(tag, [(now + 5 * S, 70.0)])
        async for batch in told:
            if batch.alarms:
                break
        assert batch.alarms[0].state == "rtn_unacknowledged"
        assert batch.alarms[0].cleared == now + 5 * S
        assert list(await client.alarms.list(active=True)) == []
        await client.write(tag, [(now + 6 * S, 41.0), (now + 8 * S, 40.0)])
        async for batch in told:
            if batch.alarms:
                break
        (again,) = batch.alarms
        assert (again.id, again.raised, again.activated, again.cleared) == (alarm.id, now + 3 * S, now + 8 * S, None)
        assert again.value == 41.0
        events = [entry["event"] for entry in await client.alarms.journal(alarm.id)]
        assert events == ["activate", "clear", "activate"]
        assert (await client.rules.update(rule.id, limit=55.0)).version == 2
        await client.rules.delete(rule.id)
        assert list(await client.rules.list()) == []
        await told.aclose()  # type: ignore[attr-defined]
