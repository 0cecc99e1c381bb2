from __future__ import annotations

import pytest

from penstock.apps.maintenance.channels import Role, find_channels
from penstock.apps.maintenance.zones import ISO_20816_3, Boundaries, Zone, boundaries, boundaries_of
from penstock.sdk.models import Property


def prop(
    name: str, unit: str | None, tag: int | None = 1, kind: str = "measurement", type_: str = "float64"
) -> Property:
    return Property(name, kind=kind, type=type_, unit=unit, tag=tag)


def attribute(value: float | str | None) -> Property:
    return Property("machine_group", kind="attribute", type="string", value=value)


def test_a_pump_is_found_by_its_properties() -> None:
    channels = find_channels(
        [
            prop("flow", "m3/h", 1),
            prop("power", "kW", 2),
            prop("vibration_rms", "mm/s", 3),
            prop("bearing_band", "mm/s", 4),
            prop("bearing_temperature", "degC", 5),
            prop("ambient_temperature", "degC", 6),
            prop("speed", "rpm", 7),
        ]
    )
    roles = [(c.name, c.role) for c in channels]
    assert roles == [
        ("vibration_rms", Role.VELOCITY),
        ("bearing_band", Role.BAND),
        ("bearing_temperature", Role.TEMPERATURE),
        ("power", Role.LOAD),
    ]


def test_nothing_is_watched_without_a_bound_vibration_velocity() -> None:
    assert find_channels([prop("power", "kW"), prop("temperature", "degC")]) == ()
    assert find_channels([prop("vibration_rms", "mm/s", tag=None)]) == ()
    assert find_channels([prop("vibration_rms", "mm/s", kind="metric")]) == ()
    assert find_channels([prop("flow_speed", "m/s")]) == ()


@pytest.mark.parametrize("name", ["velocity_1x", "vib_1.0x", "1x_drive_end"])
def test_a_velocity_at_1x_stands_for_the_whole_where_it_is_the_only_one(name: str) -> None:
    roles = {
        c.name: c.role for c in find_channels([prop(name, "mm/s"), prop("velocity_2x", "mm/s"), prop("t", "degC")])
    }
    assert roles == {name: Role.VELOCITY, "velocity_2x": Role.BAND, "t": Role.TEMPERATURE}
    assert find_channels([prop("velocity_2x", "mm/s"), prop("velocity_11x", "mm/s"), prop("v_0.1x", "mm/s")]) == ()
    both = {c.name: c.role for c in find_channels([prop(name, "mm/s"), prop("vibration_rms", "mm/s")])}
    assert both == {name: Role.BAND, "vibration_rms": Role.VELOCITY}


def test_inches_are_brought_to_millimetres() -> None:
    (channel,) = find_channels([prop("vibration", "in/s")])
    assert channel.factor == 25.4


def test_a_boundary_belongs_to_the_worse_zone() -> None:
    limits = ISO_20816_3["group-2-flexible"]
    assert [limits.zone(v) for v in (0.0, 2.29, 2.3, 4.5, 7.1)] == [Zone.A, Zone.A, Zone.B, Zone.C, Zone.D]


@pytest.mark.parametrize("text", ["", "1,2", "3,2,1", "0,1,2", "group-9", "a,b,c"])
def test_wrong_zone_boundaries_are_refused_with_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"mm/s"):
        boundaries(text)


def test_zone_boundaries_come_by_name_or_numbers() -> None:
    assert boundaries("1, 2, 3") == Boundaries(1.0, 2.0, 3.0)
    assert boundaries("group-2-rigid") is ISO_20816_3["group-2-rigid"]


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("ISO 20816-3 group 2, rigid", "group-2-rigid"),
        ("ISO 20816-3:2022, Group 1, flexible support", "group-1-flexible"),
        ("iso 10816-3 group 1 rigid", "group-1-rigid"),
        ("group-2-flexible", "group-2-flexible"),
    ],
)
def test_a_machine_s_attribute_names_its_zones(said: str, name: str) -> None:
    assert boundaries_of([attribute(said)]) == ISO_20816_3[name]


def test_what_names_no_zones_leaves_those_of_the_app() -> None:
    assert boundaries_of([attribute("1,2,3.5")]) == Boundaries(1.0, 2.0, 3.5)
    for said in ("ISO 10816-21, gearbox on rolling bearings", "group 2", "3,2,1", "", 2, None):
        assert boundaries_of([attribute(said)]) is None
    assert boundaries_of([]) is None
    assert ISO_20816_3["group-2-rigid"].trip == pytest.approx(5.625)
