"""Which part a machine judged by its vibration may have broken: named from signed deviations, several, or none."""

from __future__ import annotations

import json

import pytest

from penstock.apps.maintenance.advice.diagnosis import Diagnosis, Kind, Urgency
from penstock.apps.maintenance.advice.modes import NOTHING, Known, read_known, read_modes
from penstock.apps.maintenance.advice.naming import Namer, why_unnamed
from penstock.apps.maintenance.advice.telling import PART, URGENCY
from penstock.apps.maintenance.assessment import GOOD, Assessment, Finding, Phase
from penstock.apps.maintenance.channels import Channel, Role
from penstock.apps.maintenance.zones import Zone

STEP_NS = 10_000_000_000
CHANNELS = (
    Channel("velocity", 1, "mm/s", Role.VELOCITY),
    Channel("band", 2, "m/s2", Role.BAND),
    Channel("bearing_temperature", 3, "degC", Role.TEMPERATURE),
    Channel("winding_temperature", 4, "degC", Role.TEMPERATURE),
    Channel("power", 5, "kW", Role.LOAD),
    Channel("suction_pressure", 6, "bar", Role.SIGN),
)
BEARING = {
    "part": "bearing",
    "signs": {"band": "rises", "velocity": "rises", "bearing_temperature": "rises"},
    "action": "Change it.",
}
CAVITATION = {"part": "strainer", "signs": {"suction_pressure": "falls", "band": "rises"}}
KNOWN = read_known(
    {
        "bearing": BEARING,
        "imbalance": {"part": "impeller", "signs": {"velocity": "rises"}, "action": "Balance it."},
        "misalignment": {"part": "coupling", "signs": {"velocity": "rises", "bearing_temperature": "rises"}},
        "cavitation": CAVITATION,
    },
    None,
)
LIMIT, DEADBAND = 60.0, 10.0


def namer(known: Known = KNOWN) -> Namer:
    return Namer(CHANNELS, known, limit=LIMIT, deadband=DEADBAND)


def assessment(number: int, health: float, zone: Zone = Zone.B, **deviations: float | None) -> Assessment:
    """Give one in which the channels named deviate, and the others do not; None: it has no baseline."""
    findings = []
    for channel in CHANNELS:
        by = deviations.get(channel.name, 0.0)
        expected = None if by is None else 10.0
        findings.append(Finding(channel, 10.0 + (by or 0.0), expected, 0.0, 0.0, None, by))
    told = tuple(f for f in findings if f.channel.role is not Role.LOAD)
    return Assessment(number * STEP_NS, health, GOOD, zone, Phase.WATCHING, 1.0, 1.0, told)


def named(
    known: Known = KNOWN, *, health: float = 50.0, zone: Zone = Zone.B, windows: int = 1, **by: float
) -> Diagnosis:
    """Give what is said after some healthy windows and as many with these deviations."""
    n = namer(known)
    for number in range(10):
        assert n.on_assessment(assessment(number, 100.0)).diagnosis is None
    for number in range(10, 10 + windows):
        last = n.on_assessment(assessment(number, health, zone, **by))
    assert last.diagnosis is not None
    return last.diagnosis


def test_a_bearing_is_named_with_its_evidence_and_what_to_do() -> None:
    said = named(band=9.0, velocity=5.0)
    assert (said.kind, said.part, said.mode, said.action) == (Kind.MACHINE, "bearing", "bearing", "Change it.")
    assert said.certainty > 0.7
    assert said.evidence[0].startswith("band +")
    assert "velocity rises with it" in said.evidence
    assert said.evidence[-1].startswith("fits bearing (0.")
    assert said.since_ns == 10 * STEP_NS


def test_a_falling_suction_pressure_makes_the_same_band_the_strainers() -> None:
    assert named(band=9.0, suction_pressure=-12.0).part == "strainer"
    assert named(band=9.0, suction_pressure=+12.0).part != "strainer"


def test_two_modes_that_fit_about_equally_are_both_named() -> None:
    said = named(velocity=5.0)
    assert said.part == "impeller or coupling"
    assert said.mode == "imbalance or misalignment"
    assert said.evidence[-1].endswith("about equally")
    assert said.action == "Impeller: Balance it. Coupling: Inspect: coupling"


def test_a_later_sign_tells_them_apart() -> None:
    n = namer()
    for number in range(8):
        early = n.on_assessment(assessment(number, 50.0, velocity=8.0))
    for number in range(8, 140):
        late = n.on_assessment(assessment(number, 40.0, velocity=12.0, bearing_temperature=6.0))
    assert early.diagnosis is not None
    assert late.diagnosis is not None
    assert (early.diagnosis.part, late.diagnosis.part) == ("impeller or coupling", "coupling")


def test_what_fits_no_mode_is_unknown() -> None:
    said = named(velocity=-25.0, winding_temperature=30.0, band=-25.0, bearing_temperature=-25.0)
    assert (said.kind, said.part, said.mode) == (Kind.MACHINE, "unknown", "")
    assert said.evidence[-1].startswith("fits no failure mode that is known")
    assert said.action == "Inspect the machine"


def test_one_channel_alone_that_is_no_sign_is_its_sensors() -> None:
    said = named(winding_temperature=12.0)
    assert (said.kind, said.part, said.mode) == (Kind.SENSOR, "sensor:winding_temperature", "drift")


def test_what_no_sensor_gives_is_not_called_a_sensor() -> None:
    demanded = Known(KNOWN.modes, frozenset({"winding_temperature"}))
    assert named(demanded, winding_temperature=12.0).kind is Kind.MACHINE


def test_nothing_is_named_above_the_limit_and_what_was_named_stands_through_the_deadband() -> None:
    n = namer()
    parts = [
        told.diagnosis.part
        if (told := n.on_assessment(assessment(i, health, band=9.0, velocity=5.0))).diagnosis
        else ""
        for i, health in enumerate((61.0, 59.0, 65.0, 69.9, 70.0, 65.0))
    ]
    assert parts == ["", "bearing", "bearing", "bearing", "", ""]


def test_it_is_written_when_it_changes_and_first_of_all() -> None:
    n = namer()
    healths = (100.0, 100.0, 50.0, 50.0, 100.0)
    written = [dict(n.on_assessment(assessment(i, h, band=9.0, velocity=5.0)).more) for i, h in enumerate(healths)]
    assert written[0] == {PART: "", URGENCY: ""}
    assert written[1] == {}
    assert written[2] == {PART: "bearing", URGENCY: "plan"}
    assert written[3] == {URGENCY: "now"}
    assert written[4] == {PART: "", URGENCY: ""}


def test_without_a_baseline_nothing_is_named() -> None:
    n = namer()
    nothing: dict[str, float | None] = dict.fromkeys([channel.name for channel in CHANNELS], None)
    assert n.on_assessment(assessment(0, 20.0, Zone.B, **nothing)).diagnosis is None
    late = n.on_assessment(assessment(1, 20.0, band=9.0, velocity=5.0))
    assert late.diagnosis is not None


def test_a_channel_without_a_value_is_left_out_and_the_names_stay_right() -> None:
    n = namer()
    said = n.on_assessment(assessment(0, 50.0, velocity=None, winding_temperature=12.0)).diagnosis
    assert said is not None
    assert said.part == "sensor:winding_temperature"


@pytest.mark.parametrize(
    ("zone", "urgency"), [(Zone.B, Urgency.PLAN), (Zone.C, Urgency.WEEK), (Zone.D, Urgency.NOW)], ids=lambda v: str(v)
)
def test_a_steady_fault_is_as_urgent_as_its_zone(zone: Zone, urgency: Urgency) -> None:
    n = namer()
    for number in range(0, 400):
        last = n.on_assessment(assessment(number, 50.0, zone, velocity=9.0))
    assert last.diagnosis is not None
    assert last.diagnosis.urgency is urgency
    assert any(f"zone {zone}" in sentence for sentence in last.diagnosis.evidence) is (zone is not Zone.B)


def test_urgency_follows_the_line_to_no_health_at_all() -> None:
    for fall, urgency in ((1.0, Urgency.NOW), (0.001, Urgency.WEEK), (0.00001, Urgency.PLAN)):
        n = namer()
        for number in range(30):
            last = n.on_assessment(assessment(number, 59.0 - fall * number, velocity=9.0))
        assert last.diagnosis is not None
        assert last.diagnosis.urgency is urgency, fall


def test_the_zone_says_nothing_of_a_broken_sensor() -> None:
    assert named(zone=Zone.D, winding_temperature=12.0).urgency is Urgency.WEEK


def test_a_state_taken_up_says_the_same() -> None:
    def told(restart_at: int) -> list[Diagnosis | None]:
        n, said = namer(), []
        for number in range(80):
            if number == restart_at:
                kept = json.loads(json.dumps(n.to_json()))
                n = namer()
                assert n.restore(kept)
            heat = 6.0 if number > 40 else 0.0
            health = 100.0 if number < 5 else 50.0 - number / 10
            by = {"velocity": 9.0, "bearing_temperature": heat} if number >= 5 else {}
            said.append(n.on_assessment(assessment(number, health, Zone.B, **by)).diagnosis)
        return said

    assert told(3) == told(8) == told(50) == told(-1)


def test_a_state_of_other_channels_is_refused() -> None:
    kept = namer().to_json()
    other = Namer(CHANNELS[:2], KNOWN, limit=LIMIT, deadband=DEADBAND)
    assert not other.restore(kept)
    assert not namer().restore(kept | {"version": 0})


def test_why_no_part_can_be_named_is_said() -> None:
    assert why_unnamed(CHANNELS, KNOWN) == ""
    assert "no failure modes" in why_unnamed(CHANNELS, NOTHING)
    leak = Known(read_modes({"leak": {"part": "seal", "signs": {"leakage": "rises"}}}))
    assert "no sign of any failure mode" in why_unnamed(CHANNELS, leak)
    apart = why_unnamed(CHANNELS[:1], Known(KNOWN.modes[:3]))
    assert "tells none of its failure modes apart: bearing, imbalance and misalignment look alike" in apart


def test_the_operating_point_is_no_sign() -> None:
    clogging = Known(read_modes({"clogging": {"part": "line", "signs": {"power": "falls"}}}))
    assert "no sign of any failure mode" in why_unnamed(CHANNELS, clogging)
