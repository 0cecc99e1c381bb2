"""A9: the disks of platform and gateway become read-only under the running stack, and writable again.

All that a process keeps is on such a disk: historian and relational store of the platform, journal and credential of
the gateway. Each refusal must name the disk where people look, in the gateway's health; the platform must
answer questions meanwhile; nobody may be restarted by hand.
"""

import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx

from tests.builders import web
from tests.builders.stack import wait_for
from tests.faults.campaign import Campaign
from tests.faults.disturb import Disturbance, campaign_of
from tests.faults.live import Live

MOST_S = 8.0
NAMED_S = 60.0


def readonly(*processes: str) -> Disturbance:
    """Make disks read-only until the last one is named, and for a while; ask for history meanwhile.

    Of several it is the gateway's: while that journals nothing there is nothing that the platform could refuse.
    """

    def act(running: Live, chance: random.Random) -> None:
        with running.stack.client() as client:
            for process in processes:
                running.disks[process].make_readonly()
            _wait_until_named(running, processes[-1])
            if "platform" in processes:
                _ask_for_a_write(client)
            ends_s = time.monotonic() + chance.uniform(0.0, MOST_S)
            while True:
                _ask(client, running.counts)
                if time.monotonic() > ends_s:
                    break
                time.sleep(0.2)
        for process in processes:
            running.disks[process].make_writable()
            assert running.stack.processes[process].poll() is None, f"{process} ended"

    return Disturbance(f"read-only disk of {' and '.join(processes)}", act)


def _wait_until_named(running: Live, process: str) -> None:
    try:
        wait_for(lambda: SAYS[process](_health(running)), "named", timeout_s=NAMED_S)
    except TimeoutError as error:
        health = _health(running)
        message = f"the disk of the {process} is not named in {health['problems']}, uplink {health['uplink']}"
        raise AssertionError(message) from error


def _uplink_says_it(health: Any) -> bool:
    problem = health["uplink"]["problem"]
    return "answered 503" in problem and "disk" in problem


def _journal_says_it(health: Any) -> bool:
    return "disk is read-only" in health["journal"]["blocked"]


SAYS: dict[str, Callable[[Any], bool]] = {"platform": _uplink_says_it, "gateway": _journal_says_it}


def _health(running: Live) -> Any:
    return web.get(running.stack.url("gateway") + "/health", timeout=30).raise_for_status().json()


def _ask(client: httpx.Client, counts: Counter[str]) -> None:
    """Ask for the newest values, which must be answered, and for samples.

    Those are refused where the disk became read-only in the middle of a checkpoint: then the files cannot be read.
    """
    newest = client.get("/v1/latest", params={"all": "true"}).raise_for_status().json()["items"]
    tag = next(item["tag"] for item in newest if item["time"])
    answer = client.get("/v1/samples", params={"tag": tag, "start": "1h-ago", "end": "now", "limit": 10})
    if answer.status_code == 503:
        assert "Retry-After" in answer.headers, answer.text
        counts["questions refused"] += 1
        return
    assert answer.raise_for_status().json()["columns"]["time"], "no samples while the disk is read-only"
    counts["questions answered"] += 1


def _ask_for_a_write(client: httpx.Client) -> None:
    """Ask for something that the relational store must write: it must be refused, and name the disk."""
    answer = client.post("/v1/gateways/enrol-tokens", json={"name": "edge-9"})
    assert answer.status_code == 503, f"a write on a read-only disk was answered {answer.status_code} {answer.text}"
    assert "disk of the relational store" in answer.json()["detail"], answer.text


READONLY = [readonly("platform"), readonly("gateway"), readonly("platform", "gateway")]

CAMPAIGNS = [
    Campaign(
        "disk-readonly",
        "A9",
        "disks of platform and gateway read-only under load",
        30,
        0,
        campaign_of(READONLY, on_disks=("platform", "gateway")),
    ),
]
