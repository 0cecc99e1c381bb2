"""Short campaigns of broken OPC UA links: the servers' queues, Republish and history bring everything back."""

from pathlib import Path

import pytest

from tests.campaigns.opcua_breaks import Kind, Plan, campaign

pytestmark = pytest.mark.integration

SERVERS: list[Kind] = ["asyncua", "node-opcua"]


@pytest.mark.parametrize("server", SERVERS)
async def test_broken_links_lose_nothing_that_the_server_held(server: Kind, tmp_path: Path) -> None:
    found = await campaign(Plan(server, breaks=3, longest_s=3.0, seed=1), tmp_path)
    assert found.written > 100
    assert (found.missing, found.phantoms, found.open_gaps) == (0, 0, 0)
    assert found.counters["resumed"] > 0
    assert found.counters["subscribed"] == 1, "the subscription went on"
    assert found.gaps == found.refilled


@pytest.mark.parametrize("server", SERVERS)
async def test_forgotten_session_is_filled_from_the_history_of_the_server(server: Kind, tmp_path: Path) -> None:
    found = await campaign(Plan(server, breaks=2, longest_s=3.0, seed=1, forgetting=1.0), tmp_path)
    assert (found.missing, found.phantoms, found.open_gaps) == (0, 0, 0)
    assert found.counters["subscribed"] == 3
    assert found.counters["history_values"] > 0
    assert found.gaps == found.refilled > 0


async def test_subscription_that_outlives_its_session_is_transferred(tmp_path: Path) -> None:
    plan = Plan("node-opcua", breaks=2, longest_s=3.0, seed=1, forgetting=1.0, keeping=True, history=False)
    found = await campaign(plan, tmp_path)
    assert (found.missing, found.phantoms, found.open_gaps) == (0, 0, 0)
    assert (found.counters["transferred"], found.counters["subscribed"]) == (2, 1)
    assert found.gaps == found.refilled


@pytest.mark.full
@pytest.mark.parametrize("server", SERVERS)
async def test_forgotten_session_of_a_server_without_history_leaves_a_marked_gap(server: Kind, tmp_path: Path) -> None:
    found = await campaign(Plan(server, breaks=2, longest_s=3.0, seed=1, forgetting=1.0, history=False), tmp_path)
    assert found.missing > 0
    assert (found.unmarked, found.phantoms, found.open_gaps) == (0, 0, 0)
    assert found.gaps > found.refilled == 0
