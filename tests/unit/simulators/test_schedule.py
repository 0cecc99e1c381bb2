"""The schedule of faults: what is due is done once, and what is written wrongly is told with file, line and key."""

from pathlib import Path

import pytest

from penstock.core.errors import ConfigError
from penstock.core.times import format_rfc3339_ns, parse_rfc3339_ns
from penstock.simulators.demo_plant import DEMO_PLANT
from penstock.simulators.generate import simulate
from penstock.simulators.models.fault import FaultError, FaultRequest, NotBrokenError
from penstock.simulators.schedule import Schedule, parse_schedule, read_schedule

S = 1_000_000_000
T0 = parse_rfc3339_ns("2026-11-23T04:00:00Z")
TEXT = """\
version: 1
faults:
  - {device: pump-plc, fault: bearing, at: 20s, severity: 0.3, growth_per_h: 0.5, law: gamma, repair_at: 40s}
  - device: pump-plc
    fault: "bias:flow"
    at: 2026-11-23T04:00:00Z
    clear_at: 1h
"""


class Notes:
    def __init__(self) -> None:
        self.done: list[tuple[str, str, str]] = []

    def inject(self, device: str, request: FaultRequest) -> None:
        if request.fault == "rotor":
            message = "it has: bearing"
            raise FaultError(message)
        self.done.append(("inject", device, request.fault))

    def clear(self, device: str, fault: str) -> None:
        self.done.append(("clear", device, fault))

    def repair(self, device: str, fault: str) -> None:
        self.done.append(("repair", device, fault))


def parse(text: str = TEXT) -> Schedule:
    return parse_schedule(text, file="faults.yaml", start_ns=T0, environ={})


def test_what_was_repaired_before_is_left_as_it_is() -> None:
    class Sound(Notes):
        def repair(self, device: str, fault: str) -> None:
            raise NotBrokenError("not broken")

    schedule, notes = parse(), Sound()
    schedule.play(T0 + 7200 * S, notes)
    assert ("clear", "pump-plc", "bias:flow") in notes.done
    assert len(schedule) == 0


def test_steps_are_done_in_their_order_once() -> None:
    schedule, notes = parse(), Notes()
    schedule.play(T0, notes)
    assert notes.done == [("inject", "pump-plc", "bias:flow")]
    schedule.play(T0 + 39 * S, notes)
    schedule.play(T0 + 40 * S, notes)
    schedule.play(T0 + 7200 * S, notes)
    assert notes.done[1:] == [
        ("inject", "pump-plc", "bearing"),
        ("repair", "pump-plc", "bearing"),
        ("clear", "pump-plc", "bias:flow"),
    ]
    assert len(schedule) == 0


def test_device_that_is_not_there_yet_is_waited_for() -> None:
    schedule, notes = parse(), Notes()
    schedule.play(T0 + 20 * S, notes, present=["other"])
    assert notes.done == []
    schedule.play(T0 + 21 * S, notes, present=["pump-plc"])
    assert len(notes.done) == 2


def test_past_of_a_process_that_starts_again_is_left_out() -> None:
    schedule = parse()
    assert schedule.skip_before(T0 + 1) == 1
    assert len(schedule) == 3


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("at: 20s", "at: soon", r"faults.yaml:3: faults\[0\].at: 'soon' is no duration.*write a duration"),
        ("clear_at: 1h", "clear_at: 2026-11-01T00:00:00Z", r"faults.yaml:7: faults\[1\].clear_at: .*is not after `at`"),
        ("severity: 0.3", "severity: 3", r"faults.yaml:3: faults\[0\].severity: .*less than or equal to 1"),
        ("law: gamma", "law: gama", r"faults.yaml:3: faults\[0\].law: .*did you mean 'gamma'"),
        ("clear_at:", "ends_at:", r"faults.yaml:7: faults\[1\].ends_at: key 'ends_at' is not known here"),
        ("    fault: ", "    fualt: ", r"faults.yaml:5: faults\[1\].fualt"),
    ],
)
def test_mistake_is_told_with_file_line_and_key(old: str, new: str, said: str) -> None:
    assert old in TEXT
    with pytest.raises(ConfigError, match=said):
        parse(TEXT.replace(old, new))


def test_fault_that_the_device_does_not_have_is_told_and_done_with() -> None:
    schedule, notes = parse(TEXT.replace("fault: bearing", "fault: rotor")), Notes()
    with pytest.raises(ConfigError, match=r"faults.yaml:3: faults\[0\].fault: it has: bearing"):
        schedule.play(T0 + 20 * S, notes)
    schedule.play(T0 + 20 * S, notes)


def test_unknown_device_is_told_before_the_run_where_all_are_known() -> None:
    schedule = parse(TEXT.replace("device: pump-plc\n", "device: pump-plcc\n"))
    with pytest.raises(
        ConfigError, match=r"faults.yaml:4: faults\[1\].device: no device 'pump-plcc' here; did you mean"
    ):
        list(simulate(DEMO_PLANT, start_ns=T0, until_ns=T0 + S, step_s=1.0, schedule=schedule))


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.yaml: .*cannot be read"):
        read_schedule(tmp_path / "none.yaml", start_ns=0, environ={})


def test_history_follows_the_schedule() -> None:
    """The bearing is damaged from 20 s on; the pump stands still for its repair at 40 s."""
    at = format_rfc3339_ns(T0 + 20 * S)
    schedule = parse(TEXT.replace("at: 20s", f"at: {at}"))
    band, speed = {}, {}
    for emission in simulate(DEMO_PLANT, start_ns=T0, until_ns=T0 + 60 * S, step_s=1.0, schedule=schedule):
        for point in emission.points:
            if (emission.device, point.tag) == ("pump-vibration", "bearing_band"):
                band[(emission.time_ns - T0) // S] = float(point.value or 0)
            if (emission.device, point.tag) == ("pump-plc", "speed"):
                speed[(emission.time_ns - T0) // S] = float(point.value or 0)
    assert band[18] < 2.5 < 6 < band[25]
    assert speed[39] > 1000 > 100 > speed[55]
