"""A1: kills in the first start of the platform, and in the enrolment of the gateway, on either side.

Each trial begins in an empty folder. The platform is killed some times at random moments of its first start; then it
runs, the gateway is killed in its enrolment, before or after the platform has answered. In the end both must run, the
gateway deliver, and the operator's credential be good, without a hand.
"""

import random
import shutil
import time
from pathlib import Path

import httpx

from tests.builders import web
from tests.builders.stack import Stack, wait_for
from tests.faults.campaign import Campaign, Options, Result

KILLS_PER_TRIAL = 3
START_S = 4.0
"""Kills fall within this time of the start, more often early; it covers a first start on a busy machine."""
MOMENTS = ("credential.json.part", "enrolment.json", "enrolment.json.part", "journal.sqlite", "lock")


def run(options: Options) -> Result:
    """Count kills; a trial that does not come up without a hand is a failure."""
    result, chance = Result(), options.chance
    while result.n < options.n:
        folder = options.folder / "trial"
        shutil.rmtree(folder, ignore_errors=True)
        _plant(folder / "plant")
        stack = Stack(folder / "run", folder / "plant")
        try:
            _trial(stack, chance, result)
        except (AssertionError, TimeoutError, httpx.HTTPError, OSError) as error:
            notes = " ".join(getattr(error, "__notes__", []))
            result.failures.append(f"after {result.n} kills: {error!s:.600} {notes[-600:]}")
        finally:
            stack.close()
            shutil.rmtree(folder, ignore_errors=True)
    return result


def _trial(stack: Stack, chance: random.Random, result: Result) -> None:
    for _ in range(KILLS_PER_TRIAL):
        stack.start("platform", ready=False)
        time.sleep(START_S * chance.random() ** 2)
        stack.kill("platform")
        _counted(result, "kills: first start of the platform")
    stack.start("platform")
    for _ in range(KILLS_PER_TRIAL):
        stack.start("gateway", ready=False)
        _until_seen(stack.folder / "gateway", chance)
        stack.kill("gateway")
        _counted(result, "kills: first start and enrolment of the gateway")
    if chance.random() < 0.5:  # the token file goes when a platform starts whose gateway is enrolled
        stack.kill("platform")
        _counted(result, "kills: platform after an enrolment")
        stack.start("platform")
    stack.start("gateway")
    wait_for(lambda: _uplink_is_open(stack), "the gateway delivers", timeout_s=90)
    with stack.client() as client:
        gateways = client.get("/v1/gateways").raise_for_status().json()["items"]
    assert [gateway["name"] for gateway in gateways] == ["edge-1"], gateways


def _counted(result: Result, name: str) -> None:
    result.n += 1
    result.count(name)


def _until_seen(data: Path, chance: random.Random) -> None:
    """Wait for a moment of the enrolment to show in the gateway's folder, or a random time."""
    pattern, ends = chance.choice(MOMENTS), time.monotonic() + START_S * 2
    while time.monotonic() < ends and not (data / pattern).exists():
        time.sleep(0.0005)
    time.sleep(chance.choice((0.0, 0.005, 0.05, 0.3)))


def _uplink_is_open(stack: Stack) -> bool:
    health = web.get(stack.url("gateway") + "/health", timeout=5).json()
    return bool(health["uplink"]["state"] == "connected")


def _plant(plant: Path) -> None:
    for name in ("devices", "types"):
        (plant / name).mkdir(parents=True)
    (plant / "plant.yaml").write_text("version: 1\nenterprise: penstock\n")


CAMPAIGNS = [
    Campaign("kills-first-start", "A1", "SIGKILL in first starts and enrolments", 100, 6, run),
]
