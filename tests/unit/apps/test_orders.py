"""Work orders: the table of steps holds, every step stays, and what was found becomes a label."""

from __future__ import annotations

import sqlite3
from itertools import product
from pathlib import Path

import pytest

from penstock.apps.maintenance.orders import book
from penstock.apps.maintenance.orders.book import OrderBook
from penstock.apps.maintenance.orders.order import (
    DAY_NS,
    MAY,
    TEXT_MAX,
    Found,
    Label,
    Order,
    OrderError,
    State,
    Step,
    labels_of,
    stepped,
)


def step(to: State, at_ns: int = 20, **more: object) -> Step:
    given: dict[str, object] = {"planned_for_ns": 99} if to is State.PLANNED else {}
    if to is State.DONE:
        given = {"found": Found.AS_SUSPECTED, "part": "bearing"}
    return Step(to, at_ns, "usr_b", **{**given, **more})  # type: ignore[arg-type]


@pytest.fixture
def orders(tmp_path: Path) -> OrderBook:
    return OrderBook(tmp_path / "orders")


@pytest.mark.parametrize(("state", "to"), [*product(State, State)])
def test_a_step_is_possible_where_the_table_says_so(state: State, to: State) -> None:
    order = Order(1, "ast_a", "look at it", "", 10, "usr_a", state)
    if to in MAY[state]:
        assert stepped(order, step(to)).state is to
    else:
        with pytest.raises(OrderError, match=f"is {state}: it cannot become {to}"):
            stepped(order, step(to))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (Step(State.PLANNED, 20, "usr_b"), "for when"),
        (Step(State.PLANNED, 20, "usr_b", planned_for_ns=253_402_214_400 * 10**9), "before 2262"),
        (Step(State.PLANNED, 20, "usr_b", planned_for_ns=-1), "out of range"),
        (Step(State.PLANNED, 2 * DAY_NS, "usr_b", planned_for_ns=2 * DAY_NS - 1), "planned is over"),
        (Step(State.DONE, 20, "usr_b"), "what was found"),
        (Step(State.DONE, 20, "usr_b", found=Found.OTHER_FAULT, part=" "), "which part"),
        (Step(State.DONE, 20, "usr_b", found=Found.NOTHING, failed_ns=3), "had a fault"),
        (step(State.DONE, 20, failed_ns=21), "failed before now"),
    ],
)
def test_what_is_missing_is_asked_for(wrong: Step, said: str) -> None:
    with pytest.raises(OrderError, match=said):
        stepped(Order(1, "ast_a", "look at it", "", 10, "usr_a"), wrong)


def test_orders_and_their_steps_survive_a_restart(tmp_path: Path) -> None:
    first = OrderBook(tmp_path)
    opened = first.open("ast_a", " Change the bearing ", suspected="bearing band", by="usr_a", at_ns=10)
    planned = first.take(opened.number, step(State.PLANNED))
    done = first.take(opened.number, step(State.DONE, 30, note="outer race"))
    first.close()
    second = OrderBook(tmp_path)
    assert (opened.title, opened.state, opened.suspected) == ("Change the bearing", State.OPEN, "bearing band")
    assert (planned.state, planned.planned_for_ns) == (State.PLANNED, 99)
    assert second.orders() == [done]
    assert (done.state, done.planned_for_ns, done.note, done.changed_ns) == (State.DONE, 99, "outer race", 30)
    assert [each.to for each in second.history(opened.number)] == [State.PLANNED, State.DONE]
    assert (tmp_path / "orders.sqlite").stat().st_mode & 0o777 == 0o600


def test_lists_are_by_asset_newest_first_and_without_closed_ones_on_request(orders: OrderBook) -> None:
    for number, asset in enumerate(("ast_a", "ast_b", "ast_a", "ast_a")):
        orders.open(asset, f"order {number + 1}", suspected="", by="usr_a", at_ns=number)
    orders.take(3, step(State.DISMISSED))
    assert [order.number for order in orders.orders()] == [4, 3, 2, 1]
    assert [order.number for order in orders.orders(asset="ast_a")] == [4, 3, 1]
    assert [order.number for order in orders.orders(asset="ast_a", closed=False)] == [4, 1]
    assert [order.number for order in orders.orders(closed=False, limit=1)] == [4]


def test_a_refused_step_leaves_no_trace(orders: OrderBook) -> None:
    number = orders.open("ast_a", "look", suspected="", by="usr_a", at_ns=1).number
    orders.take(number, step(State.DONE))
    with pytest.raises(OrderError, match="cannot become planned"):
        orders.take(number, step(State.PLANNED))
    assert [each.to for each in orders.history(number)] == [State.DONE]
    with pytest.raises(OrderError, match="no work order 7"):
        orders.take(7, step(State.DONE))


def test_what_a_step_says_is_bounded_also_in_its_history(orders: OrderBook) -> None:
    number = orders.open("ast_a", "look", suspected="", by="usr_a", at_ns=1).number
    orders.take(number, step(State.DISMISSED, note=" " + "x" * 10_000))
    assert [len(each.note) for each in orders.history(number)] == [TEXT_MAX]


def test_a_book_has_a_bound(orders: OrderBook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "OPEN_MAX", 2)
    for _ in range(2):
        orders.open("ast_a", "look", suspected="", by="usr_a", at_ns=1)
    with pytest.raises(OrderError, match="2 orders are open"):
        orders.open("ast_a", "look", suspected="", by="usr_a", at_ns=1)
    orders.take(1, step(State.DONE))
    assert orders.open("ast_a", "look", suspected="", by="usr_a", at_ns=1).number == 3
    with pytest.raises(OrderError, match="say what"):
        orders.open("ast_a", "  ", suspected="", by="usr_a", at_ns=1)


def test_only_visits_become_labels(orders: OrderBook) -> None:
    for number in range(1, 5):
        orders.open("ast_a", f"order {number}", suspected="", by="usr_a", at_ns=number)
    orders.take(2, step(State.DONE, 70))
    orders.take(1, step(State.DONE, 90, found=Found.NOTHING, part=""))
    orders.take(3, step(State.DISMISSED))
    assert labels_of(orders.orders()) == [
        Label("ast_a", 70, Found.AS_SUSPECTED, "bearing", 2, 2),
        Label("ast_a", 90, Found.NOTHING, "", 1, 1),
    ]


def test_a_step_on_disk_is_a_step_taken(tmp_path: Path) -> None:
    orders = OrderBook(tmp_path)
    orders.open("ast_a", "look", suspected="", by="usr_a", at_ns=1)
    orders.take(1, step(State.DONE))
    with sqlite3.connect(tmp_path / "orders.sqlite") as other:
        assert other.execute("SELECT number, state, found FROM step").fetchall() == [(1, "done", "as-suspected")]


OLD = """
CREATE TABLE work_order (
    number INTEGER PRIMARY KEY AUTOINCREMENT, asset TEXT NOT NULL, title TEXT NOT NULL, suspected TEXT NOT NULL,
    opened_ns INTEGER NOT NULL, opened_by TEXT NOT NULL, state TEXT NOT NULL, planned_for_ns INTEGER, found TEXT,
    part TEXT NOT NULL, note TEXT NOT NULL, changed_ns INTEGER NOT NULL, changed_by TEXT NOT NULL
) STRICT;
CREATE TABLE step (
    number INTEGER NOT NULL REFERENCES work_order, state TEXT NOT NULL, at_ns INTEGER NOT NULL, by TEXT NOT NULL,
    planned_for_ns INTEGER, found TEXT, part TEXT NOT NULL, note TEXT NOT NULL
) STRICT;
INSERT INTO work_order VALUES (1, 'ast_a', 'look', '', 1, 'x', 'done', NULL, 'nothing', '', 'n', 5, 'y');
INSERT INTO step VALUES (1, 'done', 5, 'y', NULL, 'nothing', '', 'n');
"""


def test_a_book_without_a_version_is_brought_up_to_this_one(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "orders.sqlite") as old:
        old.executescript(OLD)
    for _ in range(2):
        orders = OrderBook(tmp_path)
        (kept,) = orders.orders()
        assert (kept.found, kept.changed_by, kept.failed_ns) == (Found.NOTHING, "y", None)
        assert [each.failed_ns for each in orders.history(1)] == [None]
        orders.close()
    with sqlite3.connect(tmp_path / "orders.sqlite") as other:
        assert other.execute("PRAGMA user_version").fetchone() == (book.VERSION,)


def test_a_book_of_a_newer_version_is_refused_in_words_and_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "orders.sqlite") as newer:
        newer.execute(f"PRAGMA user_version = {book.VERSION + 1}")
    with pytest.raises(book.BookError, match=f"is of version {book.VERSION + 1}, this app reads up to {book.VERSION}"):
        OrderBook(tmp_path)
    with sqlite3.connect(tmp_path / "orders.sqlite") as other:
        assert other.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)


def test_a_machine_that_had_failed_is_recorded_so(orders: OrderBook, tmp_path: Path) -> None:
    number = orders.open("ast_a", "change it", suspected="", by="usr_a", at_ns=1).number
    orders.take(number, step(State.DONE, 70, failed_ns=60))
    orders.close()
    again = OrderBook(tmp_path / "orders")
    assert again.labels() == [Label("ast_a", 70, Found.AS_SUSPECTED, "bearing", 1, 1, failed_ns=60)]
    assert [each.failed_ns for each in again.history(number)] == [60]
    assert again.labels(asset="ast_b") == []


def test_the_newest_open_order_of_each_asset_is_given(orders: OrderBook) -> None:
    for number, asset in enumerate(("ast_a", "ast_a", "ast_b", "ast_b")):
        orders.open(asset, f"order {number + 1}", suspected="", by="usr_a", at_ns=number)
    orders.take(4, step(State.DISMISSED))
    assert {asset: order.number for asset, order in orders.open_by_asset().items()} == {"ast_a": 2, "ast_b": 3}
