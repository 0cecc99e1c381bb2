"""Playback before and beside the wires: names, the common shift, times, what the gateway says, what is refused."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from penstock.simulators import playback_fleet, playback_player
from penstock.simulators.playback import PlaybackError, Played, check_past, shift_of
from penstock.simulators.playback_cli import playback
from penstock.simulators.playback_fleet import Fleet
from penstock.simulators.playback_folder import (
    Entry,
    Outcome,
    device_name_of,
    find_recordings,
    folder_summary,
    look_at,
    name_devices,
    plan_folder,
)
from penstock.simulators.playback_gateway import GatewayWatch
from penstock.simulators.playback_player import NobodySubscribed
from penstock.simulators.playback_reader import (
    BROKER_BACKLOG_MAX,
    GATEWAY_BACKLOG_MAX,
    GATEWAY_VALUES_MAX,
    QUEUED_VALUES_MAX,
    MqttReader,
    OpcUaReader,
)
from penstock.simulators.recording import Span
from penstock.simulators.servers.outbox import Message, Outbox
from tests.builders.simulators import plant_folder

S = 1_000_000_000


@pytest.mark.parametrize(
    ("path", "device"),
    [
        ("asset_7f3a.parquet", "asset-7f3a"),
        ("valve1/0.csv", "valve1-0"),
        ("Pump 1 (north).csv", "pump-1-north"),
        ("a.b.parquet", "a-b"),
        ("x" * 80 + ".csv", "x" * 63),
        ("__.csv", ""),
    ],
)
def test_device_is_named_after_its_file(path: str, device: str) -> None:
    assert device_name_of(path) == device


def test_recordings_are_found_sorted_and_other_files_are_left(tmp_path: Path) -> None:
    for name in ("b.csv", "a.parquet", "study.json", "sub/c.csv", ".hidden.csv", ".git/d.csv", "e.csv.part"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.csv").mkdir()
    assert find_recordings(tmp_path) == ["a.parquet", "b.csv", "sub/c.csv"]
    with pytest.raises(PlaybackError, match=r"no \*\.parquet and no \*\.csv below it"):
        find_recordings(tmp_path / ".git" / "none")


def test_names_that_collide_are_told_for_each_of_them() -> None:
    entries = name_devices(["a-1.csv", "a_1.csv", "b.csv", "__.csv"])
    told = {entry.path: entry.refused for entry in entries}
    assert told["b.csv"] == ""
    assert told["a-1.csv"] == "a_1.csv would be the same device a-1: rename one"
    assert told["a_1.csv"] == "a-1.csv would be the same device a-1: rename one"
    assert told["__.csv"] == "its name has neither letter nor digit to make a device's name of"


def test_file_that_cannot_be_read_is_refused_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text("time,a\n1,1\n5,2\n")
    (tmp_path / "bad.csv").write_text("time,a\nyesterday,1\n")
    good, bad = (look_at(tmp_path, entry) for entry in name_devices(["good.csv", "bad.csv"]))
    assert good.span == Span(2, 1 * S, 5 * S)
    assert bad.span is None
    assert "'yesterday' is no time" in bad.refused


SPANS = [Span(2, 100 * S, 110 * S), Span(2, 105 * S, 160 * S), Span(2, 130 * S, 140 * S)]


@pytest.mark.parametrize(
    ("stamps", "speed", "shift_s"),
    [("original", 50.0, 0), ("shifted", 1.0, 370), ("shifted", 50.0, 340), ("shifted", 0.0, 340)],
)
def test_one_shift_moves_all_and_none_into_the_future(stamps: str, speed: float, shift_s: int) -> None:
    """At ×1 the last that begins begins now, faster the last that ends ends now."""
    assert shift_of(SPANS, stamps=stamps, speed=speed, now_ns=500 * S) == shift_s * S
    for span in SPANS:
        check_past(span, shift_ns=shift_s * S, speed=speed, now_ns=500 * S)


def test_shift_of_one_recording_starts_or_ends_now() -> None:
    assert shift_of([Span(2, 100 * S, 110 * S)], stamps="shifted", speed=1, now_ns=500 * S) == 400 * S
    assert shift_of([Span(2, 100 * S, 110 * S)], stamps="shifted", speed=50, now_ns=500 * S) == 390 * S
    assert shift_of([], stamps="shifted", speed=50, now_ns=500 * S) == 0


@pytest.mark.parametrize(
    ("last_s", "speed", "future"),
    [(500, 0.0, False), (501, 0.0, True), (510, 1.0, False), (512, 1.0, True), (505, 2.0, False), (506, 2.0, True)],
)
def test_row_that_would_be_stamped_later_than_it_is_played_is_refused(last_s: int, speed: float, future: bool) -> None:
    span = Span(2, (last_s - 10) * S, last_s * S)
    if not future:
        return check_past(span, shift_ns=0, speed=speed, now_ns=500 * S)
    with pytest.raises(PlaybackError, match=r"in the future: now it is 1970-01-01T00:08:20\.0+Z; use --stamps shifted"):
        check_past(span, shift_ns=0, speed=speed, now_ns=500 * S)
    return None


def test_folder_plan_keeps_what_can_be_played_and_refuses_the_rest() -> None:
    entries = [
        Entry("a.csv", "a", SPANS[0]),
        Entry("b.csv", "b", None, "unreadable"),
        Entry("c.csv", "c", Span(2, 100 * S, 900 * S)),
        Entry("d.csv", "d", SPANS[2]),
    ]
    planned = plan_folder(entries, stamps="original", speed=50.0, now_ns=500 * S)
    assert [entry.device for entry in planned.entries] == ["a", "d"]
    assert [(entry.device, entry.refused[:25]) for entry in planned.refused] == [
        ("b", "unreadable"),
        ("c", "its last row would be sta"),
    ]
    shifted = plan_folder(entries, stamps="shifted", speed=0.0, now_ns=500 * S)
    assert shifted.shift_ns == -400 * S, "the last that ends, ends now"
    assert [entry.device for entry in shifted.entries] == ["a", "c", "d"]


def test_summary_counts_devices_rows_values_and_names_the_failed() -> None:
    outcomes = [
        Outcome("a", Played(10, 3, 1.0, 5 * S, 9 * S)),
        Outcome("b", None, "gone"),
        Outcome("c", Played(2, 4, 1.0, 1 * S, 2 * S)),
    ]
    assert folder_summary(outcomes, seconds=2.5) == (
        "2 of 3 devices played: 12 rows, 38 values in 2.5 s, stamped 1970-01-01T00:00:01.000000000Z to "
        "1970-01-01T00:00:09.000000000Z; not played: b"
    )
    assert folder_summary([Outcome("b", None)], seconds=0) == (
        "0 of 1 devices played: 0 rows, 0 values in 0.0 s; not played: b"
    )


@pytest.mark.parametrize(("speed", "says"), [("0.5", "--speed 0.5: 1 or more, or 0 for as fast as"), ("-1", "")])
def test_speed_below_real_time_is_refused(speed: str, says: str, tmp_path: Path) -> None:
    told = CliRunner().invoke(playback, ["--plant", str(plant_folder(tmp_path)), f"--speed={speed}"])
    assert told.exit_code != 0
    assert says in told.output


def health(acknowledged: int, state: str = "connected", again: int = 0, **more: object) -> dict[str, object]:
    counters = {"acknowledged": acknowledged, "acknowledged_again": again}
    device = {"state": state, "detail": "d", "error": None, "counters": counters}
    return {"devices": {"dev": device | more}, "files": {"other.yaml": "other.yaml: taken"}}


def test_gateway_says_state_refusal_and_nothing() -> None:
    watch = GatewayWatch("http://gateway")
    assert watch.detail("dev") == "no gateway answers at http://gateway"
    watch.on_answer(health(3))
    assert (watch.answers, watch.refusal("dev"), watch.refusal("other")) == (1, None, "other.yaml: taken")
    assert watch.detail("else") == "the gateway does not know it"
    watch.on_answer(health(3, "not taken", error="no such driver"))
    assert watch.refusal("dev") == "no such driver"
    assert watch.detail("dev") == "the gateway says: not taken, d"
    answers: list[object] = [{}, [], None, {"devices": 3, "files": 4}, {"devices": {"dev": 3}}]
    for nothing in answers:
        watch.on_answer(nothing)
        assert watch.device("dev") is None
    assert (watch.answers, watch.looks) == (3, 7)


@dataclass
class FakeMqtt:
    """What MqttReader asks of a wire and of the wires."""

    messages: int = 0
    waiting: int = 0
    pumps: int = 0

    def waiting_of_device(self) -> int:
        return self.waiting

    def pump(self) -> None:
        self.pumps += 1


def mqtt_reader(watch: GatewayWatch | None) -> tuple[MqttReader, FakeMqtt]:
    wire = FakeMqtt()
    return MqttReader("dev", cast(Any, wire), cast(Any, wire), watch=watch, channels=10), wire


def test_mqtt_device_is_done_when_the_gateway_has_acknowledged_its_rows() -> None:
    watch = GatewayWatch("")
    reader, wire = mqtt_reader(watch)
    assert not reader.is_subscribed()
    watch.on_answer(health(40, "connecting"))
    assert not reader.is_subscribed()
    watch.on_answer(health(40))
    assert reader.is_subscribed()
    wire.messages = 100
    for acknowledged, done in ((40, False), (139, False), (140, True)):
        watch.on_answer(health(acknowledged))
        assert reader.is_done(100, 0.5) is done
    assert not reader.is_done(100, 0.4)
    wire.waiting = 1
    assert not reader.is_done(100, 9.0)


def test_messages_that_came_twice_do_not_count_for_rows_that_are_missing() -> None:
    watch = GatewayWatch("")
    reader, _ = mqtt_reader(watch)
    watch.on_answer(health(40, again=7))
    assert reader.is_subscribed()
    watch.on_answer(health(140, again=8))
    assert not reader.is_done(100, 2.9)
    assert reader.is_done(100, 3.0), "a broker that had not been answered would have sent it again"
    watch.on_answer(health(141, again=8))
    assert reader.is_done(100, 0.5)


def test_gateway_that_starts_again_counts_from_nothing() -> None:
    watch = GatewayWatch("")
    reader, _ = mqtt_reader(watch)
    watch.on_answer(health(40))
    assert reader.is_subscribed()
    for acknowledged in (70, 20):
        watch.on_answer(health(acknowledged))
        reader.progress()
    assert reader.progress() == (0, 50, 0)
    watch.on_answer({})
    assert reader.progress() == (0, 50, 0)


def test_mqtt_rows_wait_for_broker_and_gateway() -> None:
    watch = GatewayWatch("")
    reader, wire = mqtt_reader(watch)
    watch.on_answer(health(0))
    assert reader.is_subscribed()
    assert reader.room() == min(BROKER_BACKLOG_MAX, GATEWAY_BACKLOG_MAX)
    wire.waiting = BROKER_BACKLOG_MAX - 5
    assert reader.room() == 5
    wire.waiting, wire.messages = 0, GATEWAY_BACKLOG_MAX + 30
    assert reader.room() == 0
    watch.on_answer(health(100))
    assert reader.room() == 70
    alone, wire = mqtt_reader(None)
    wire.messages = 10 * GATEWAY_BACKLOG_MAX
    assert alone.is_subscribed()
    assert alone.room() == BROKER_BACKLOG_MAX
    assert alone.is_done(wire.messages, 0.5)


def test_mqtt_devices_share_what_the_gateway_may_be_behind() -> None:
    watch = GatewayWatch("")
    reader, wire = mqtt_reader(watch)
    watch.on_answer(health(0))
    assert reader.is_subscribed()
    watch.on_the_way["other"] = GATEWAY_VALUES_MAX - 200
    wire.messages = 5
    assert reader.room() == 15
    watch.on_the_way["other"] = GATEWAY_VALUES_MAX
    assert reader.room() == 0
    wire.messages = 0
    assert reader.room() == 1, "others never hold a device up for good"
    assert reader.has_left()
    assert set(watch.on_the_way) == {"other"}


@dataclass
class FakeEndpoint:
    """What OpcUaReader asks of an endpoint."""

    monitored: bool = True
    waiting: int = 0
    unacknowledged: int = 0
    everywhere: int = 0
    queue: int = 1000

    def watchers(self, _device: str) -> dict[str, bool]:
        return dict.fromkeys(("a", "b"), self.monitored)

    def backlog(self, _device: str) -> tuple[int, int]:
        return self.waiting, self.unacknowledged

    def queue_room(self, _device: str) -> int:
        return self.queue

    def queued(self) -> int:
        return self.everywhere


def test_opcua_rows_wait_for_own_queue_and_for_all_queues() -> None:
    endpoint = FakeEndpoint()
    reader = OpcUaReader("dev", cast(Any, endpoint), 2)
    assert reader.room() == 500
    endpoint.waiting = 500
    assert reader.room() == 0
    endpoint.waiting, endpoint.everywhere = 10, QUEUED_VALUES_MAX - 20
    assert reader.room() == 10
    endpoint.everywhere = QUEUED_VALUES_MAX + 100
    assert reader.room() == 0
    endpoint.waiting = 0
    assert reader.room() == 1, "others' queues never hold a device up for good"
    endpoint.queue, endpoint.everywhere = 1, 0
    assert reader.room() == 1


def test_opcua_device_is_done_only_while_the_gateway_is_there() -> None:
    endpoint = FakeEndpoint(unacknowledged=1)
    reader = OpcUaReader("dev", cast(Any, endpoint), 2)
    assert not reader.is_done(3, 9.0)
    endpoint.unacknowledged = 0
    assert not reader.is_done(3, 0.4)
    assert reader.is_done(3, 0.5)
    endpoint.monitored = False
    assert reader.has_left()
    for ask in (reader.room, lambda: reader.is_done(3, 9.0)):
        with pytest.raises(PlaybackError, match="the gateway left in mid playback"):
            ask()


def test_outbox_counts_by_device_over_restarts(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.sqlite", messages_max=3)
    outbox.add([Message("t", b"1", "a"), Message("t", b"2", "b"), Message("t", b"3", "b")])
    outbox.close()
    outbox = Outbox(tmp_path / "o.sqlite", messages_max=3)
    assert (outbox.of("a"), outbox.of("b"), outbox.of("c")) == (1, 2, 0)
    outbox.add([Message("t", b"4", "c")])
    assert (outbox.of("a"), outbox.of("c")) == (0, 1)
    outbox.done([outbox.after(0, 1)[0][0]])
    assert (outbox.of("b"), len(outbox)) == (1, 2)
    outbox.close()


@dataclass
class FakePlayer:
    """Stand for Player: ends as its device's name says, and knows how many play at a time."""

    plan: Any
    turn: Any = None
    playing: list[int] = field(default_factory=lambda: [0, 0])

    async def play(self) -> Played:
        async with self.turn:
            self.playing[0] += 1
            self.playing[1] = max(self.playing)
            await asyncio.sleep(0)
            self.playing[0] -= 1
        if self.plan.device.startswith("bad"):
            message = "broken"
            raise PlaybackError(message)
        if self.plan.device.startswith("deaf"):
            message = "nobody"
            raise NobodySubscribed(message)
        return Played(1, 1, 0.0, 0, 0)

    async def leave(self) -> None:
        pass


@dataclass
class FakePlan:
    device: str


def play(monkeypatch: pytest.MonkeyPatch, *devices: str, at_once: int) -> tuple[list[Outcome], list[str], int]:
    playing = [0, 0]
    told: list[str] = []
    monkeypatch.setattr(playback_fleet, "Player", lambda plan, *_, turn, **__: FakePlayer(plan, turn, playing))
    monkeypatch.setattr(playback_fleet, "summary", lambda *_: "played")

    async def all_of_them() -> list[Outcome]:
        plan_of: Callable[[Entry], Any] = lambda entry: FakePlan(entry.device)  # noqa: E731
        fleet = Fleet(cast(Any, None), None, at_once, plan_of, None, say=told.append, warn=told.append)
        return await fleet.play([Entry(f"{device}.csv", device, SPANS[0]) for device in devices])

    return asyncio.run(all_of_them()), told, playing[1]


def test_failing_device_is_told_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes, told, most = play(monkeypatch, "a", "bad-1", "b", "c", "bad-2", "d", at_once=2)
    assert [outcome.failure for outcome in outcomes] == ["", "broken", "", "", "broken", ""]
    assert "bad-1: bad-1.csv was not played to its end: broken" in told
    assert "d: played" in told
    assert most == 2


def test_rest_is_not_tried_where_nobody_ever_subscribed(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes, _, _ = play(monkeypatch, "deaf-1", "deaf-2", "a", "b", at_once=1)
    assert [outcome.failure for outcome in outcomes] == ["nobody", "nobody", "not tried: nobody", "not tried: nobody"]
    outcomes, _, _ = play(monkeypatch, "a", "deaf-1", "b", "c", at_once=1)
    assert [outcome.failure for outcome in outcomes] == ["", "nobody", "", ""]


def test_wait_is_given_up_only_when_nothing_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    endpoint = FakeEndpoint(waiting=9)
    movement = playback_player._Movement(OpcUaReader("dev", cast(Any, endpoint), 2))
    for clock[0], endpoint.waiting in ((100.0, 9), (119.0, 8), (238.0, 8)):
        movement.check("rows wait")
    clock[0] = 239.1
    with pytest.raises(
        PlaybackError, match=r"rows wait: nothing moved for 120 s, \(waiting, acknowledged\) = \(8, 0\)"
    ):
        movement.check("rows wait")
