"""A6 in numbers: many gateways' real uplinks and journals send small batches through a wire that ill-treats requests.

Each gateway numbers its samples in order, value and source time alike. What the historian then holds of it must be
those numbers, each once, in order, and the ledger must count every batch once.
"""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np

from penstock.core.batch import encode_batch
from penstock.core.times import parse_rfc3339_ns
from penstock.core.uplink import Synced
from penstock.gateway.credential import Credential
from penstock.gateway.journal.store import JournalStore, NewBatch
from penstock.gateway.platform_client import PlatformClient
from penstock.gateway.uplink import UplinkShell
from tests.builders import web
from tests.builders.edge import eventually
from tests.builders.ingest import entry, float_columns
from tests.builders.platform_process import PlatformProcess
from tests.faults.campaign import Campaign, Options, Result, fresh
from tests.faults.wire import Mode, Shuffle, Wire

GATEWAYS = 12
ROWS_MAX = 4
WAITING_MAX = 6
"""Batches that a journal holds undelivered, so that requests stay many and small."""
BEGIN_NS = 1_790_000_000_000_000_000
STEP_NS = 1_000_000
PACE_S = 0.01
DRAIN_S = 300.0
PAGE_ROWS = 100_000
HOW = Shuffle(delay_max_s=0.03, repeat_later_max_s=0.5, truncated=0.02, unanswered=0.02, repeated=0.4)
GENERATION_ROWS = 20_000


@dataclass(slots=True)
class Sender:
    """One gateway: its journal, its uplink, how many samples it has journalled."""

    number: int
    store: JournalStore
    client: PlatformClient
    shell: UplinkShell = field(init=False)
    epoch: str = ""
    samples: int = 0
    batches: int = 0

    def __post_init__(self) -> None:
        self.epoch = self._open_epoch("first")
        words = [entry(0, self.key)]
        self.shell = UplinkShell(
            self.store, self.client, lambda: words, self._open_epoch, lambda: None, lambda a: a.detail, lambda: BEGIN_NS
        )

    @property
    def key(self) -> str:
        """Give the key of its only tag."""
        return f"storm-{self.number}/t"

    def _open_epoch(self, _reason: str) -> str:
        return self.store.open_epoch(secrets.token_hex(16), BEGIN_NS).id

    async def feed(self, stop: asyncio.Event, seed: int) -> None:
        """Journal a batch whenever few wait."""
        chance = np.random.default_rng(seed)
        while not stop.is_set():
            if self.store.sizes().waiting < WAITING_MAX:
                numbers = np.arange(self.samples, self.samples + int(chance.integers(1, ROWS_MAX + 1)))
                columns = float_columns(np.zeros(len(numbers), np.uint32), BEGIN_NS + numbers * STEP_NS, numbers)
                done = self.store.append([NewBatch(encode_batch(columns, []), len(numbers), BEGIN_NS)], [])
                self.samples, self.batches = self.samples + len(numbers), self.batches + 1
                self.shell.post(Synced(done.epoch, done.batches[-1].seq))
            await asyncio.sleep(PACE_S)


@contextmanager
def platform_behind(folder: Path, seed: int) -> Iterator[tuple[PlatformProcess, Wire]]:
    """Run the real platform behind a wire; end both."""
    platform = PlatformProcess(folder / "cloud")
    names = ",".join(f"edge-{number}" for number in range(GATEWAYS))
    platform.environ |= {
        "PENSTOCK_PLATFORM_BOOTSTRAP_GATEWAYS": names,
        "PENSTOCK_PLATFORM_GENERATION_ROWS": str(GENERATION_ROWS),
    }
    platform.start()
    wire = Wire(platform.port, seed, shuffle=HOW)
    wire.start()
    try:
        yield platform, wire
    finally:
        wire.stop()
        platform.stop()


async def send(folder: Path, platform: PlatformProcess, wire: Wire, options: Options) -> list[Sender]:
    """Send until the wire has seen n requests; then let everything be delivered."""
    senders = [await _enrolled(folder, platform, wire, number) for number in range(GATEWAYS)]
    stop = asyncio.Event()
    feeds = [asyncio.create_task(one.feed(stop, options.seed + one.number)) for one in senders]
    shells = [asyncio.create_task(one.shell.run()) for one in senders]
    wire.mode = Mode.SHUFFLE
    try:
        while wire.done.get("requests", 0) < options.n:
            await asyncio.sleep(0.2)
            for task in (*feeds, *shells):
                if task.done():
                    task.result()
        stop.set()
        await asyncio.gather(*feeds)
        await eventually(
            lambda: not any(one.store.sizes().waiting for one in senders), within_s=DRAIN_S, what="all is delivered"
        )
        await asyncio.sleep(HOW.repeat_later_max_s + 0.5)  # the last repeats too
    finally:
        for task in (*feeds, *shells):
            task.cancel()
        await asyncio.gather(*feeds, *shells, return_exceptions=True)
        for one in senders:
            await one.client.aclose()
            one.store.close()
    return senders


async def _enrolled(folder: Path, platform: PlatformProcess, wire: Wire, number: int) -> Sender:
    token = (platform.token_file.parent / f"enrol-edge-{number}.token").read_text().strip()
    async with PlatformClient(platform.url, None) as client:
        answer = await client.enrol(token, f"edge-{number}", secrets.token_urlsafe(32))
    assert answer.ok, answer
    made = Credential(*(str(answer.document[name]) for name in ("gateway", "client_id", "client_secret")))
    where = folder / f"edge-{number}"
    where.mkdir()
    client = PlatformClient(f"http://127.0.0.1:{wire.port}", made)
    return Sender(number, JournalStore(where / "journal.sqlite"), client)


def judge(platform: PlatformProcess, senders: list[Sender], result: Result) -> None:
    """Read every tag back, and the count of the ledger."""
    headers = {"Authorization": f"Bearer {platform.token()}"}
    with web.Client(base_url=platform.url, headers=headers, timeout=60) as client:
        for one in senders:
            found = _read(client, one.key)
            result.failures += [f"{one.key}: {finding}" for finding in findings(found, one.samples)]
            result.count("samples", one.samples)
            result.count("batches", one.batches)
        counted = client.get("/v1/ledger/summary").raise_for_status().json()
    result.count("stored", int(counted["stored"]))
    if counted["stored"] != result.figures["samples"]:
        result.failures.append(f"the ledger counts {counted['stored']} samples of {result.figures['samples']}")


def findings(found: list[tuple[int, float]], samples: int) -> list[str]:
    """Say what is lost, doubled, out of order, corrupt or never sent."""
    number = [round((time_ns - BEGIN_NS) / STEP_NS) for time_ns, _ in found]
    said = []
    if missing := set(range(samples)) - set(number):
        said.append(f"lost: {len(missing)} of {samples}, {min(missing)} first")
    if phantom := set(number) - set(range(samples)):
        said.append(f"phantom: {len(phantom)}")
    if len(number) != len(set(number)):
        said.append(f"dup: {len(number) - len(set(number))}")
    if number != sorted(number):
        said.append("ooo")
    if corrupt := sum(value != each for each, (_, value) in zip(number, found, strict=True)):
        said.append(f"corrupt: {corrupt}")
    return said


def _read(client: httpx.Client, key: str) -> list[tuple[int, float]]:
    [tag] = client.get("/v1/tags", params={"key": key}).raise_for_status().json()["items"]
    query: dict[str, str | int] = {"tag": tag["id"], "start": str(BEGIN_NS), "end": str(2**62), "limit": PAGE_ROWS}
    rows: list[tuple[int, float]] = []
    while True:
        page = client.get("/v1/samples", params=query).raise_for_status().json()
        columns = page["columns"]
        rows += zip(map(parse_rfc3339_ns, columns["time"]), columns["value"], strict=True)
        if page["next"] is None:
            return rows
        query["cursor"] = page["next"]


def run(options: Options) -> Result:
    """Send n requests and judge."""
    result = Result()
    with fresh(options.folder) as folder, platform_behind(folder, options.seed) as (platform, wire):
        try:
            senders = asyncio.run(send(folder, platform, wire, options))
            judge(platform, senders, result)
        except (TimeoutError, httpx.HTTPError, AssertionError) as error:
            result.failures.append(f"after {wire.done}: {error!r:.2000}")
        result.n = wire.done.get("requests", 0)
        result.figures |= {f"requests {name}": count for name, count in wire.done.items()}
        if tracebacks := (folder / "cloud" / "platform.log").read_text().count("Traceback"):
            result.failures.append(f"the platform's log has {tracebacks} tracebacks")
    return result


CAMPAIGNS = [
    Campaign("requests-storm", "A6", "the same in numbers: real uplinks of twelve gateways", 100_000, 600, run),
]
