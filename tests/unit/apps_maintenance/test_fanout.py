"""Work is done in order, wherever it is sent; an address that nobody should connect to is refused before it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.apps.maintenance.fanout import cluster
from penstock.apps.maintenance.fanout.cluster import Tls, check, software
from penstock.apps.maintenance.fanout.executor import HERE, ExecutorError, in_turn
from penstock.apps.maintenance.fanout.place import ON_THE_SPOT, Place

NOWHERE = Tls(Path("ca.pem"), Path("cert.pem"), Path("key.pem"))


def test_without_an_address_work_is_done_here_and_nothing_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def connected(*_: object) -> None:
        raise AssertionError("connected to something")

    monkeypatch.setattr(cluster, "Dask", connected)
    with ON_THE_SPOT.executor() as executor:
        assert executor is HERE
        assert list(executor.results(str, range(3))) == ["0", "1", "2"]


def test_no_more_items_are_read_ahead_than_are_needed() -> None:
    read = []

    class Done:
        def __init__(self, item: int) -> None:
            self.item = item

        def result(self) -> int:
            return self.item

    def sent() -> Iterator[Done]:
        for item in range(10):
            read.append(item)
            yield Done(item)

    results = in_turn(sent(), 3)
    assert next(results) == 0
    assert read == [0, 1, 2]
    assert list(results) == list(range(1, 10))


@pytest.mark.parametrize(
    ("address", "tls", "why"),
    [
        ("cluster", None, "no address"),
        ("tcp://127.0.0.1", None, "no address"),
        ("tcp://127.0.0.1:port", None, "no address"),
        ("http://127.0.0.1:8786", None, "no address"),
        ("tcp://10.0.0.7:8786", None, "whoever reaches it runs code here"),
        ("tcp://cluster.example:8786", None, "whoever reaches it runs code here"),
        ("tls://10.0.0.7:8786", None, "needs certificates"),
        ("tcp://127.0.0.1:8786", NOWHERE, "is plain"),
        ("tls://10.0.0.7:8786", NOWHERE, "no such file"),
    ],
)
def test_an_address_that_nobody_should_connect_to_is_refused(address: str, tls: Tls | None, why: str) -> None:
    with pytest.raises(ExecutorError, match=why):
        check(address, tls)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:8786", "tcp://localhost:8786", "tcp://[::1]:8786"])
def test_a_scheduler_on_this_machine_may_be_plain(address: str) -> None:
    check(address, None)


@pytest.mark.parametrize(
    ("place", "why"),
    [
        (Place(jobs=2, dask="tcp://127.0.0.1:8786"), "choose one"),
        (Place(ca=Path("ca.pem")), "no address"),
        (Place(dask="tls://127.0.0.1:8786", ca=Path("ca.pem")), "takes all three"),
    ],
)
def test_words_that_do_not_go_together_are_refused(place: Place, why: str) -> None:
    with pytest.raises(ExecutorError, match=why), place.executor():
        pass


def test_what_runs_here_is_told_with_the_apps_own_code() -> None:
    said = software()
    assert said["numpy"] != "none"
    assert len(said["penstock maintenance"]) == 12
