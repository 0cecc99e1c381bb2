"""A4, A5: a long outage. Platform and MQTT broker are down together, under load; devices and gateway go on.

OPC UA values are journalled meanwhile. MQTT values wait in the devices' outboxes, which need the broker: they are
judged more strictly than elsewhere, where their process may die too. None may be missing but what an outbox declared
as dropped.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from penstock.simulators.ledger import Ledger, Row
from penstock.simulators.ledger.judge import MARKS
from tests.builders import web
from tests.builders.stack import wait_for
from tests.faults.campaign import Campaign, Options, Result
from tests.faults.live import DRAIN_S, Live, Load, live, settle

LOAD = Load(20, 10)
DOWN = ("platform", "broker")
HOUR_S = 3_600.0
SHORT_S = 15.0
BEFORE_S = 5.0
LOOK_S = 0.1
CATCH_UP_MIN = 5.0
"""Times the live rate: the goal for what was journalled."""
GOAL_FROM_S = 300.0
"""A shorter outage says little of the rate: the uplink waits up to 15 s before it asks again."""


@dataclass(frozen=True, slots=True)
class Outage:
    """Say when it began and ended (wall clock), what was journalled in it, and how long it took to catch up."""

    from_ns: int
    to_ns: int
    journalled: int
    """Values that the gateway journalled meanwhile."""
    resumed_s: float
    """From a ready platform to the first batch that it committed."""
    journal_s: float
    """From a ready platform to the commit of all that was journalled before."""
    outbox_s: float
    """From a ready broker until the gateway had all that the MQTT devices held."""

    @property
    def lasted_s(self) -> float:
        """Give its length."""
        return (self.to_ns - self.from_ns) / 1e9

    @property
    def times_live(self) -> float:
        """Give the rate of the catch-up over the rate at which it was journalled, the wait to resume included."""
        return self.lasted_s / self.journal_s


def run(options: Options) -> Result:
    """Let n outages come over one stack, each as long as the options say; settle and judge."""
    result = Result()
    try:
        with live(options, LOAD) as running:
            outages = []
            for _ in range(options.n):
                time.sleep(BEFORE_S + options.chance.random())
                outages.append(_outage(running, options.seconds or HOUR_S))
                result.n += 1
            ledger, rows = settle(running, result)
            for outage in outages:
                result.failures += _judge(outage, ledger, rows, result)
    except (TimeoutError, AssertionError, httpx.HTTPError) as error:
        notes = " ".join(getattr(error, "__notes__", []))
        result.failures.append(f"after {result.n} outages: {error!s:.2000} {notes[-4000:]}")
    return result


def _outage(running: Live, seconds: float) -> Outage:
    stack, before = running.stack, _health(running)
    began_ns = time.time_ns()
    for name in DOWN:
        stack.kill(name)
    time.sleep(seconds)
    at_end, ended_ns = _health(running), time.time_ns()
    assert at_end["journal"]["epoch"] == before["journal"]["epoch"], "the gateway opened another epoch in the outage"
    stack.start("broker")
    broker_s = time.monotonic()
    stack.start("platform")
    platform_s = time.monotonic()
    marks: dict[str, Callable[[Any], bool]] = {
        "delivery resumes": lambda now: now["uplink"]["watermark"] > at_end["uplink"]["watermark"],
        "what was journalled is committed": lambda now: now["uplink"]["watermark"] >= at_end["journal"]["head"],
        "what MQTT devices held is journalled": lambda now: _newest_ns(now, "load-mqtt") >= ended_ns,
    }
    at = _first_times(running, marks, DRAIN_S + seconds)
    resumed_s, journal_s, outbox_s = (at[name] for name in marks)
    journalled = at_end["intake"]["samples"] - before["intake"]["samples"]
    return Outage(
        began_ns, ended_ns, journalled, resumed_s - platform_s, max(LOOK_S, journal_s - platform_s), outbox_s - broker_s
    )


def _health(running: Live) -> Any:
    return web.get(running.stack.url("gateway") + "/health", timeout=30).raise_for_status().json()


def _newest_ns(health: Any, device: str) -> int:
    return int(health["devices"][device]["newest_source_time_ns"] or 0)


def _first_times(running: Live, marks: Mapping[str, Callable[[Any], bool]], timeout_s: float) -> dict[str, float]:
    """Ask the gateway until each mark was seen; give when (monotonic)."""
    at: dict[str, float] = {}

    def look() -> bool:
        now = _health(running)
        at.update({name: time.monotonic() for name, reached in marks.items() if name not in at and reached(now)})
        return len(at) == len(marks)

    wait_for(look, f"caught up: {', '.join(marks)}", timeout_s=timeout_s, pause_s=LOOK_S)
    return at


def _judge(outage: Outage, ledger: Ledger, rows: Sequence[Row], result: Result) -> list[str]:
    """Tell of one outage, and what it must not do beside what is judged of the whole run."""
    returned = {(row.key, row.time_ns) for row in rows if row.status not in MARKS}
    said = [entry for entry in ledger.entries if outage.from_ns <= entry.time_ns < outage.to_ns]
    equal: Counter[str] = Counter(entry.device for entry in said if (entry.key, entry.time_ns) in returned)
    held = [each for each in said if each.device == "load-mqtt" and (each.device, each.n) not in ledger.dropped]
    missing = len([each for each in held if (each.key, each.time_ns) not in returned])
    result.count("offered_in_outage", len(said))
    result.count("declared_dropped_by_outbox", sum(each.device == "load-mqtt" for each in said) - len(held))
    result.count("mqtt_equal_in_outage", equal["load-mqtt"])
    result.count("opcua_equal_in_outage", equal["load-opcua"])
    result.count("journalled_in_outage", outage.journalled)
    result.figures |= {
        "outage_s": round(outage.lasted_s, 1),
        "resumed_s": round(outage.resumed_s, 1),
        "journal_caught_up_s": round(outage.journal_s, 1),
        "journal_times_live": round(outage.times_live, 1),
        "outbox_caught_up_s": round(outage.outbox_s, 1),
        "outbox_times_live": round(outage.lasted_s / outage.outbox_s, 1),
    }
    findings = [f"{missing} MQTT values of the outage are missing: their outbox held them"] if missing else []
    if equal["load-opcua"] < outage.journalled / 2:
        findings.append(f"of {outage.journalled} values journalled in the outage {equal['load-opcua']} are equal")
    if outage.lasted_s >= GOAL_FROM_S and outage.times_live < CATCH_UP_MIN:
        findings.append(f"caught up at {outage.times_live:.1f} times the live rate, the goal is {CATCH_UP_MIN:g}")
    return findings


CAMPAIGNS = [
    Campaign("outage", "A4", "platform and broker down for an hour under load", 1, 1, run, HOUR_S, SHORT_S),
]
