import gc
import inspect
from datetime import UTC, datetime

import numpy as np
import pandas
import pytest

from penstock.sdk import (
    AsyncClient,
    Client,
    ConflictError,
    FailureMode,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    client,
)
from penstock.sdk.resources.assets import AsyncAssets
from penstock.sdk.testing import FakePlatform
from penstock.sdk.times import spoken, to_ns
from tests.builders.sdk import NOW, PUMP, S, small_plant


async def test_the_tree_names_every_level_and_the_asset_at_its_end() -> None:
    fake = small_plant()
    async with fake.client() as sdk:
        (root,) = await sdk.assets.tree()
    assert [n.path for n in root.walk()] == ["works", "works/site", "works/site/hall", PUMP]
    assert [n.asset for n in root.walk()][-1] == "ast_1"


async def test_an_asset_is_found_by_id_path_and_text_with_its_properties() -> None:
    fake = small_plant()
    async with fake.client() as sdk:
        by_path = await sdk.assets.retrieve(PUMP)
        assert await sdk.assets.retrieve(by_path.id) == by_path
        assert [a.id for a in await sdk.assets.list(q="pump 1")] == [by_path.id]
    assert by_path.property("rated_power").value == 15.0
    assert by_path.property("flow").unit == "m3/h"
    with pytest.raises(KeyError, match="it has rated_power, flow"):
        by_path.property("nix")


async def test_an_asset_leads_to_its_type_and_to_the_failure_modes_of_its_revision() -> None:
    fake = small_plant()
    seal = {"part": "shaft seal", "signs": {"leakage": "rises", "flow": "falls"}, "notice_h": 24.0, "new": "ignored"}
    fake.add_type("pump", properties={"flow": {"kind": "measurement"}}, failure_modes={"seal-leak": seal})
    fake.add_asset("works/site/hall/pump-2", type="pump")
    fake.add_type("pump", revision=2)
    async with fake.client() as sdk:
        asset = await sdk.assets.retrieve("works/site/hall/pump-2")
        assert (asset.type, asset.type_revision) == ("pump", 1)
        old = await sdk.assets.type("pump", asset.type_revision)
        assert old.failure_modes["seal-leak"] == FailureMode("shaft seal", seal["signs"], notice_h=24.0)  # type: ignore[arg-type]
        assert list(old.failure_modes["seal-leak"].signs) == ["leakage", "flow"]
        assert (await sdk.assets.type("pump")).revision == 2
        assert [(t.name, t.revision) for t in await sdk.assets.types()] == [("pump", 1), ("pump", 2)]
        with pytest.raises(NotFoundError):
            await sdk.assets.type("fan")
    with fake.sync_client() as sync:
        assert sync.assets.type("pump", 1) == old


async def test_lists_walk_all_pages_and_stop_at_the_limit() -> None:
    fake = FakePlatform()
    for number in range(2300):
        fake.add_tag(f"plc/t{number}")
    async with fake.client() as sdk:
        assert len(await sdk.tags.list()) == 2300
        assert len(await sdk.tags.list(limit=1001)) == 1001
        assert len(await sdk.tags.resolve([f"plc/t{n}" for n in range(120)])) == 120


async def test_a_computed_tag_is_declared_once_and_written_by_its_owner_alone() -> None:
    fake = small_plant()
    async with fake.client(app="calc") as sdk:
        tag = await sdk.declare_tag(asset=PUMP, property="health_index", unit="%")
        assert (tag.key, tag.owner) == (f"calc/{PUMP}/health_index", "calc")
        assert await sdk.declare_tag(asset=PUMP, property="health_index", unit="%") == tag
        first = await sdk.write(tag, [(NOW - S, 99.5), (NOW, 98.0, 0x40000000)])
        again = await sdk.write(tag, [(NOW - S, 99.5)])
        series = pandas.Series(np.array([97.0]), index=pandas.DatetimeIndex([pandas.Timestamp(NOW + 7, tz=UTC)]))
        await sdk.write(tag, series)
        samples = await sdk.samples(tag, end=NOW + S, include_status=True)
    assert (first.stored, again.stored, again.duplicates) == (2, 0, 1)
    assert [(s.time, s.value, s.status) for s in samples] == [
        (NOW - S, 99.5, 0),
        (NOW, 98.0, 0x40000000),
        (NOW + 7, 97.0, 0),
    ]
    async with fake.client(app="other") as sdk:
        with pytest.raises(ForbiddenError, match="belongs to calc"):
            await sdk.write(tag, [(NOW, 1.0)])


@pytest.mark.parametrize(
    ("kind", "value"), [("int64", 1.5), ("int64", True), ("bool", 1), ("float64", "1"), ("string", 1)]
)
async def test_a_value_of_the_wrong_type_is_refused_before_it_is_sent(kind: str, value: object) -> None:
    fake = small_plant()
    async with fake.client(app="calc") as sdk:
        tag = await sdk.declare_tag(asset=PUMP, property="x", type=kind)
        with pytest.raises(TypeError, match=f"calc/{PUMP}/x holds {kind}"):
            await sdk.write(tag, [(NOW, value)])
        assert (await sdk.write(tag, [(datetime(2026, 1, 1, tzinfo=UTC), None, 0x80000000)])).stored == 1


async def test_a_rule_raises_once_is_acknowledged_by_a_person_and_returns_to_normal() -> None:
    fake = small_plant()
    async with fake.client(person="Ada") as sdk:
        rule = await sdk.rules.create(
            "high flow", asset=PUMP, property="flow", comparison="high", limit=50.0, deadband=5.0, on_delay_s=10
        )
        for second, value in ((0, 51.0), (5, 49.0), (6, 51.0), (16, 52.0), (20, 48.0)):
            fake.feed("plc/flow", [(NOW + second * S, value)])
        (alarm,) = await sdk.alarms.list(active=True)
        assert (alarm.rule, alarm.value, alarm.raised) == (rule.id, 51.0, NOW + 16 * S)
        fake_app = fake.client(app="monitoring")
        with pytest.raises(ForbiddenError, match="person"):
            await fake_app.alarms.acknowledge(alarm.id)
        acknowledged = await sdk.alarms.acknowledge(alarm.id, "seen")
        fake.feed("plc/flow", [(NOW + 30 * S, 44.0)])
        with pytest.raises(ConflictError, match="nothing to acknowledge"):
            await sdk.alarms.acknowledge(alarm.id)
        ended = await sdk.alarms.retrieve(alarm.id)
        journal = await sdk.alarms.journal(alarm.id)
    assert acknowledged.acknowledged_by == "Ada"
    assert (ended.state, ended.cleared) == ("normal", NOW + 30 * S)
    assert [entry["event"] for entry in journal] == ["activate", "acknowledge", "clear"]


async def test_a_rule_changes_by_versions_and_can_be_deleted() -> None:
    fake = small_plant()
    async with fake.client() as sdk:
        rule = await sdk.rules.create("r", tag="plc/flow", comparison="low", limit=1.0)
        assert (await sdk.rules.update(rule.id, limit=2.0)).version == 2
        await sdk.rules.delete(rule.id)
        assert list(await sdk.rules.list()) == []
        with pytest.raises(ValueError, match="either tag"):
            await sdk.rules.create("r", comparison="low", limit=1.0)


async def test_a_client_without_the_scope_is_told_which() -> None:
    fake = small_plant()
    async with fake.client(scopes=["assets:read"]) as sdk:
        with pytest.raises(ForbiddenError, match="samples:read"):
            await sdk.latest("plc/flow")


def test_the_synchronous_client_gives_the_same_answers() -> None:
    fake = small_plant()
    fake.feed("plc/flow", [(NOW - S, 41.5)])
    with fake.sync_client() as sdk:
        assert sdk.samples("plc/flow").to_pandas()["plc/flow"].to_list() == [41.5]
        assert [len(c) for c in sdk.iterate("plc/flow")] == [1]
        assert sdk.assets.by_path(PUMP).name == "Pump 1"
        assert sdk.ledger.summary()["stored"] == 1
        assert sdk.ledger.safe(tag="plc/flow")["answer"] == "yes"
        assert sdk.ledger.accounts("plc/flow")[0]["stored"] == 1
        assert list(sdk.ledger.thinned(tag=1, by="time")) == list(sdk.ledger.duplicates()) == []
        assert sdk.gateways.list()[0].name == "edge-1"


def test_a_method_keeps_the_client_it_came_from() -> None:
    latest = small_plant().sync_client().latest
    gc.collect()
    assert latest("plc/flow")[0].time is None


def test_the_synchronous_client_has_every_public_method_of_the_asynchronous() -> None:
    fake = small_plant()
    with fake.sync_client() as sync:
        asynchronous = fake.client()
        for name, resource in vars(asynchronous).items():
            if name in ("history", "streaming", "writing", "transport", "url"):
                continue
            assert hasattr(sync, name), name
            if inspect.ismethod(resource):
                continue
            methods = [m for m in dir(resource) if not m.startswith("_") and callable(getattr(resource, m))]
            internal = {"select", "known"}
            assert [m for m in methods if m not in internal and not hasattr(getattr(sync, name), m)] == []


def test_blocking_methods_keep_their_names_and_documentation() -> None:
    assert client.Assets.list.__doc__ == inspect.getdoc(AsyncAssets.list)
    assert {AsyncClient, Client}


async def test_whether_all_is_safely_stored_is_answered_with_the_reason() -> None:
    fake = small_plant()
    fake.feed("plc/flow", [(NOW - S, 41.5)])
    async with fake.client() as sdk:
        said = await sdk.ledger.safe(at="1h-ago", start="2h-ago", device="plc")
        assert (said["answer"], said["tags"][0]["key"]) == ("yes", "plc/flow")
        assert (await sdk.ledger.safe(at=fake.now_ns() + S))["answer"] == "unknown"
        fake.lose("3 batches of edge-1 are missing")
        said = await sdk.ledger.safe(tag=[1, "plc/flow"])
        assert (said["answer"], said["text"]) == ("no", "No: not all is stored. 3 batches of edge-1 are missing.")
        with pytest.raises(NotFoundError):
            await sdk.ledger.safe(device="nobody")
        with pytest.raises(InvalidRequestError, match="Name at least one tag"):
            await sdk.ledger.accounts()


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("10:32", "2026-11-26T10:32:00Z"),
        ("10:32:05", "2026-11-26T10:32:05Z"),
        ("12:00", "2026-11-26T12:00:00Z"),
        ("12:01", "2026-11-25T12:01:00Z"),
        ("2026-11-24 9:05", "2026-11-24T09:05:00Z"),
        ("2026-11-24T09:05:00Z", "2026-11-24T09:05:00Z"),
        ("2026-11-24", "2026-11-24T00:00:00Z"),
    ],
)
def test_a_clock_time_is_the_last_one_that_has_been(said: str, meant: str) -> None:
    noon_ns = to_ns("2026-11-26T12:00:30Z")
    assert spoken(said, noon_ns) == str(to_ns(meant))


@pytest.mark.parametrize("said", ["25:00", "10:61", "half past ten", "2026-13-01 10:00", ""])
def test_what_is_no_time_is_told_how_to_write_one(said: str) -> None:
    with pytest.raises(ValueError, match="write 10:32, 2026-11-26 10:32"):
        spoken(said, 0)


@pytest.mark.parametrize("said", ["1677-01-01", "2300-01-01 10:00", "2300-01-01T00:00:00Z", "9" * 19, "9999999w-ago"])
def test_a_time_that_cannot_be_kept_is_told_with_the_bounds(said: str) -> None:
    with pytest.raises(ValueError, match="times go from 1677-09-21T00:12:44Z to 2262-04-11T23:47:16Z"):
        spoken(said, 0)
