"""Break the link between the OPC UA driver and a server again and again, then judge what the journal has.

    .venv/bin/python -m tests.campaigns.opcua_breaks --server node-opcua --breaks 100 --longest 60

A server writes two variables and keeps its own list of what it wrote; a third never changes. Between it and the driver
is a proxy that resets the link, or lets nothing through, for 0.5 s to --longest. The driver feeds the gateway's intake
over a real journal. *missing*: written and not journalled. *unmarked*: missing, and in no gap record that is not
refilled. *resume*: from the link's return to the arrival of a value that was written after it.
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from penstock.core.batch import Gap
from penstock.core.readings import ReadingColumns
from penstock.core.status import BAD_NO_COMMUNICATION
from penstock.edge.driver import GOOD_HELD, DriverState, Receipt
from penstock.edge.opcua.driver import OpcUaDriver
from penstock.gateway.intake import Intake
from tests.builders.edge import OpcUaServer, device_file, driver_context, eventually, running, started
from tests.builders.journalled import Journalled, Sample
from tests.builders.link_proxy import LinkProxy

Kind = Literal["asyncua", "node-opcua"]
EVERY_MS = 50
RESUME_WAIT_S = 60.0
SETTLE_S = 90.0


@dataclass
class Outcome:
    """What a campaign found; `resumes_s` has a figure for each break."""

    server: str
    history: bool
    breaks: int
    forgotten: int = 0
    written: int = 0
    missing: int = 0
    unmarked: int = 0
    phantoms: int = 0
    repeated: int = 0
    gaps: int = 0
    refilled: int = 0
    open_gaps: int = 0
    counters: dict[str, int] = field(default_factory=dict)
    resumes_s: list[float] = field(default_factory=list)

    def line(self) -> str:
        """Give the figures in one line."""
        figures = {name: value for name, value in asdict(self).items() if name not in ("counters", "resumes_s")}
        resumes = sorted(self.resumes_s)
        return json.dumps(
            {**figures, "resume_p50_s": round(statistics.median(resumes), 2), "resume_max_s": round(resumes[-1], 2)}
        )


class Arrivals(Intake):
    """Be the intake, and notice when a value of a time arrives."""

    newest_ms = 0
    arrived_s = 0.0

    async def put_columns(self, device: str, readings: ReadingColumns, *, hurry: bool = False) -> Receipt:
        """Note the newest time."""
        self._note(int(readings.time.max()) if len(readings) else 0)
        return await super().put_columns(device, readings, hurry=hurry)

    def _note(self, time_ns: int) -> None:
        if time_ns // 1_000_000 > self.newest_ms:
            self.newest_ms = time_ns // 1_000_000
            self.arrived_s = time.monotonic()


def device_text(port: int) -> str:
    """Write the device file of the campaign."""
    return f"""
version: 1
device: plc
connection:
  driver: opcua
  endpoint: opc.tcp://127.0.0.1:{port}
  namespace: urn:penstock:test:plc
  security: none, I accept plain text
  publishing_ms: 200
  sampling_ms: 0
tags:
  flow: {{type: float64, source: {{node: Flow}}}}
  counter: {{type: int64, source: {{node: Counter}}}}
  still: {{type: bool, source: {{node: Running}}}}
"""


@dataclass(frozen=True)
class Plan:
    """Say what to break, how often, for how long; `forgetting` of the breaks make the server forget the session.

    With `keeping` its subscription goes on and can be transferred, else it ends as well.
    """

    server: Kind
    breaks: int
    longest_s: float
    seed: int
    forgetting: float = 0.0
    history: bool = True
    keeping: bool = False


async def campaign(plan: Plan, folder: Path, *, tell: bool = False) -> Outcome:
    """Run it; the same seed breaks the link for the same times."""
    chance = random.Random(plan.seed)
    server = OpcUaServer(plan.server, folder / "peer", *(["history"] if plan.history else []))
    outcome = Outcome(plan.server, plan.history, plan.breaks)
    with started(server):
        proxy = LinkProxy(server.port)
        await proxy.start()
        device = device_file(device_text(proxy.port))
        gateway = Journalled(folder / "journal.sqlite3", intake=Arrivals)
        arrivals = gateway.intake
        assert isinstance(arrivals, Arrivals)
        async with gateway.running(device):
            driver = OpcUaDriver(device, driver_context(arrivals, folder))
            async with running(driver):
                await eventually(lambda: driver.health().state is DriverState.CONNECTED)
                server.begin_writing("Flow", "Counter", every_ms=EVERY_MS)
                for number in range(plan.breaks):
                    await asyncio.sleep(chance.uniform(0.3, 2.0))
                    forgets = chance.random() < plan.forgetting
                    outcome.forgotten += forgets
                    forget = partial(server.forget, keep_subscriptions=plan.keeping) if forgets else None
                    one = one_break(proxy, arrivals, chance, plan.longest_s, forget)
                    outcome.resumes_s.append(await one)
                    if tell:
                        print(f"{number + 1}: resumed in {outcome.resumes_s[-1]:.2f} s", file=sys.stderr)  # noqa: T201
                times = await asyncio.to_thread(server.end_writing)
                await eventually(lambda: arrivals.newest_ms >= times[-1], what="the last value")
                await eventually(
                    lambda: not arrivals.gaps.open and not arrivals.closed_gaps("plc"),
                    within_s=SETTLE_S,
                    what="settled",
                )
                outcome.counters = dict(driver.health().counters)
        await proxy.stop()
        judge(outcome, gateway, times)
        gateway.store.close()
    return outcome


async def one_break(
    proxy: LinkProxy, arrivals: Arrivals, chance: random.Random, longest_s: float, forget: Callable[[], None] | None
) -> float:
    """Break the link once; give how long it took to read again."""
    length_s = 0.5 * (longest_s / 0.5) ** chance.random()
    if chance.random() < 0.5:
        await proxy.cut()
    else:
        proxy.hush()
    await asyncio.sleep(length_s)
    if forget is not None:
        await asyncio.to_thread(forget)
    await proxy.restore()
    restored_ms, restored_s = time.time_ns() // 1_000_000, time.monotonic()
    await eventually(lambda: arrivals.newest_ms > restored_ms, within_s=RESUME_WAIT_S, what="reading again")
    return arrivals.arrived_s - restored_s


def judge(outcome: Outcome, gateway: Journalled, times: list[int]) -> None:
    """Compare the journal with what the server wrote."""
    samples, gaps = gateway.read()
    by_tag: dict[str, list[Gap]] = {}
    for gap in gaps:
        by_tag.setdefault(gateway.name_of(gap.tag), []).append(gap)
    own = [s for s in samples if s.status != BAD_NO_COMMUNICATION and s.status & 0xFFFF != GOOD_HELD]
    there = {(s.tag, s.time_ns // 1_000_000) for s in own}
    outcome.repeated = len(own) - len({(s.tag, s.time_ns, s.value, s.status) for s in own})
    written = {(tag, time_ms) for tag in ("flow", "counter") for time_ms in times}
    absent = written - there
    outcome.written, outcome.missing = len(written), len(absent)
    outcome.unmarked = sum(not _is_marked(one, by_tag) for one in absent)
    outcome.phantoms = _phantoms(own, times)
    outcome.gaps, outcome.refilled = len(gaps), sum(gap.refilled for gap in gaps)
    outcome.open_gaps = sum(gap.to_ns is None for gap in gaps)


def _is_marked(one: tuple[str, int], by_tag: dict[str, list[Gap]]) -> bool:
    tag, time_ms = one
    return any(
        not gap.refilled and gap.from_ns <= time_ms * 1_000_000 <= (gap.to_ns or time_ms * 1_000_000)
        for gap in by_tag.get(tag, [])
    )


def _phantoms(own: list[Sample], times: list[int]) -> int:
    value_at = {time_ms: float(number + 1) for number, time_ms in enumerate(times)}
    return sum(
        s.tag != "still"
        and s.time_ns // 1_000_000 >= times[0]
        and (not isinstance(s.value, int | float) or value_at.get(s.time_ns // 1_000_000) != s.value)
        for s in own
    )


def main() -> None:
    """Run a campaign and print its figures."""
    parser = argparse.ArgumentParser(description="Break OPC UA links and judge what arrived.")
    parser.add_argument("--server", choices=["asyncua", "node-opcua"], default="node-opcua")
    parser.add_argument("--breaks", type=int, default=100)
    parser.add_argument("--longest", type=float, default=60.0, help="seconds of the longest break")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--forgetting", type=float, default=0.0, help="share of breaks in which the session ends")
    parser.add_argument("--keeping", action="store_true", help="node-opcua: the session's subscription goes on")
    parser.add_argument("--no-history", action="store_true", help="a server without a history of its own")
    options = parser.parse_args()
    plan = Plan(
        options.server,
        breaks=options.breaks,
        longest_s=options.longest,
        seed=options.seed,
        forgetting=options.forgetting,
        history=not options.no_history,
        keeping=options.keeping,
    )
    with tempfile.TemporaryDirectory() as folder:
        outcome = asyncio.run(campaign(plan, Path(folder), tell=True))
    print(outcome.line())  # noqa: T201
    print(json.dumps(outcome.counters))  # noqa: T201


if __name__ == "__main__":
    main()
