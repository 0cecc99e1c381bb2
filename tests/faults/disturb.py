"""A1, A4, A5, A6, A11, A15: what is done to the running stack; each campaign goes round its disturbances under load."""

import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx

from tests.builders.stack import free_port
from tests.faults.campaign import Campaign, Options, Result
from tests.faults.live import Live, Load, live, settle
from tests.faults.wire import Mode

LOAD = Load(60, 20)
SHORT_LOAD = Load(20, 10)
FULL_FROM_N = 20
"""Campaigns with fewer disturbances are short: a smaller load."""
HOUR_NS = 3_600_000_000_000


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Name what is done, and do it; it leaves the stack to heal by itself or healed."""

    name: str
    act: Callable[[Live, random.Random], None]


def kill(process: str, *, down_s: float = 1.5) -> Disturbance:
    """SIGKILL at a random moment, start again a little later."""

    def act(running: Live, chance: random.Random) -> None:
        running.stack.kill(process)
        time.sleep(chance.uniform(0.0, down_s))
        running.stack.start(process)

    return Disturbance(f"kill {process}", act)


def freeze(process: str, most_s: float) -> Disturbance:
    """SIGSTOP for a while: alive, but a zombie to its peers."""

    def act(running: Live, chance: random.Random) -> None:
        victim = running.stack.processes[process]
        victim.send_signal(signal.SIGSTOP)
        time.sleep(chance.uniform(1.0, most_s))
        victim.send_signal(signal.SIGCONT)

    return Disturbance(f"stop {process}", act)


def wire(mode: Mode, most_s: float = 6.0) -> Disturbance:
    """Ill-treat the way to the platform for a while."""

    def act(running: Live, chance: random.Random) -> None:
        running.wire.mode = mode
        time.sleep(chance.uniform(2.0, most_s))
        running.wire.heal()

    return Disturbance(mode.name.lower(), act)


def step_clock(process: str, hours: float) -> Disturbance:
    """Step the wall clock of a process, in mid batch, and back."""

    def act(running: Live, chance: random.Random) -> None:
        clock = running.stack.clock_of(process)
        clock.write_text(str(int(hours * HOUR_NS)))
        time.sleep(chance.uniform(2.0, 5.0))
        clock.write_text("0")
        time.sleep(1.0)

    return Disturbance(f"{process} {hours:+g} h", act)


def _wipe_broker(running: Live, chance: random.Random) -> None:
    running.stack.kill("broker")
    shutil.rmtree(running.stack.folder / "broker" / "store", ignore_errors=True)
    time.sleep(chance.uniform(1.0, 5.0))
    running.stack.start("broker")


def _cut_mqtt(running: Live, _chance: random.Random) -> None:
    running.mqtt.cut()


def _clone_gateway(running: Live, chance: random.Random) -> None:
    """Freeze the gateway, run a copy of its disk, let the frozen one wake: the older session must be refused."""
    stack = running.stack
    first = stack.processes["gateway"]
    first.send_signal(signal.SIGSTOP)
    copy = stack.folder / "clone"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(stack.folder / "gateway", copy)
    (stack.folder / "empty" / "devices").mkdir(parents=True, exist_ok=True)
    environment = stack.process_environment("gateway") | {
        "PENSTOCK_GATEWAY_DATA": str(copy),
        "PENSTOCK_GATEWAY_PLANT": str(stack.folder / "empty"),
        "PENSTOCK_GATEWAY_HEALTH_PORT": str(free_port()),
    }
    with (stack.folder / "logs" / "clone.log").open("ab") as log:
        clone = subprocess.Popen(stack._command("gateway"), env=environment, stdout=log, stderr=log)
    time.sleep(chance.uniform(4.0, 8.0))
    first.send_signal(signal.SIGCONT)
    time.sleep(chance.uniform(2.0, 4.0))
    clone.kill()
    clone.wait(10)
    stack.kill("gateway")
    stack.start("gateway")


def campaign_of(
    disturbances: Sequence[Disturbance], *, pause_s: float = 2.0, on_disks: Sequence[str] = ()
) -> Callable[[Options], Result]:
    """Go round the disturbances in random order until there were n; then settle and judge."""

    def run(options: Options) -> Result:
        result = Result()
        try:
            _disturb(options, result)
        except (TimeoutError, AssertionError, httpx.HTTPError) as error:
            notes = " ".join(getattr(error, "__notes__", []))
            result.failures.append(f"after {result.n} disturbances: {error!s:.2000} {notes[-4000:]}")
        return result

    def _disturb(options: Options, result: Result) -> None:
        chance = options.chance
        load = LOAD if options.n >= FULL_FROM_N else SHORT_LOAD
        with live(options, load, on_disks=on_disks) as running:
            assert len(running.disks) == len(on_disks), "left out: no FUSE can be mounted here"
            until = None if options.seconds is None else time.monotonic() + options.seconds
            for number in range(options.n):
                if until is not None and time.monotonic() > until:
                    break
                if number % len(disturbances) == 0:
                    order = chance.sample(disturbances, len(disturbances))
                one = order[number % len(disturbances)]
                time.sleep(chance.uniform(0.5, pause_s))
                one.act(running, chance)
                result.n += 1
                result.count(one.name)
            time.sleep(1.0)
            settle(running, result)
            result.figures.update({f"requests {name}": count for name, count in running.wire.done.items()})
            result.figures.update(running.counts)

    return run


KILLS = [kill("gateway"), kill("broker"), kill("platform")]
BROKER = [kill("broker", down_s=20.0), Disturbance("broker's store wiped", _wipe_broker), Disturbance("cut", _cut_mqtt)]
LINKS = [wire(Mode.PARTITION), wire(Mode.RESET), wire(Mode.LOSS), wire(Mode.SLOW), kill("platform", down_s=10.0)]
ZOMBIES = [
    Disturbance("clone of the gateway", _clone_gateway),
    freeze("gateway", 10.0),
    freeze("platform", 10.0),
    freeze("broker", 10.0),
]
CLOCKS = [step_clock(name, hours) for name in ("gateway", "platform") for hours in (48, -3)]

MANGLED = [wire(Mode.SHUFFLE, 15.0)]
MIXED = [*BROKER[1:], *LINKS[:4], *CLOCKS[:2], *ZOMBIES[:3], *MANGLED]
"""One of each on one stack: what make test-full runs instead of a stack for each campaign."""

CAMPAIGNS = [
    Campaign("kills", "A1", "SIGKILL of gateway, broker and platform under load", 300, 0, campaign_of(KILLS)),
    Campaign("broker", "A4", "broker down, its store wiped, links cut", 60, 0, campaign_of(BROKER)),
    Campaign("links", "A5", "partition, RST, loss, 64 kbit/s, platform down", 100, 0, campaign_of(LINKS)),
    Campaign("requests", "A6", "requests delayed, reordered, repeated, truncated", 40, 0, campaign_of(MANGLED)),
    Campaign("clocks", "A11", "clocks of gateway and platform stepped +2 d, −3 h", 60, 0, campaign_of(CLOCKS)),
    Campaign("zombies", "A15", "SIGSTOP, two gateways with one identity", 60, 0, campaign_of(ZOMBIES)),
    Campaign("mixed", "all", "A4, A5, A6, A11, A15 on one stack", 100, len(MIXED), campaign_of(MIXED)),
]
