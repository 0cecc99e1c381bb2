"""Which channels are bands of a spectrum, in which order, and how far off they stand."""

import numpy as np
import pytest

from penstock.apps.maintenance.channels import Channel, Role, find_channels
from penstock.apps.maintenance.condition.bands import bands_of, cell_text, grid_of, waterfall
from penstock.apps.maintenance.condition.spectrum_card import HIGH_DB, LOW_DB, SIGN_PX, cells_of, options
from penstock.sdk.models import Property

MINUTE = 60 * 10**9


def channel(name: str, unit: str, tag: int = 1) -> Channel:
    return Channel(name, tag, unit, Role.OTHER)


def test_bands_come_by_rising_frequency_and_broad_or_other_channels_are_none() -> None:
    units = {
        "bearing_band": "m/s2",
        "vibration_bpfi": "m/s2",
        "acceleration_rms": "m/s2",
        "velocity_2x": "mm/s",
        "velocity_1x": "mm/s",
        "gearbox_bpfo": "m/s2",
        "vibration_ftf": "m/s2",
        "rolling_element_bsf": "m/s2",
        "outer_race_temperature": "degC",
        "velocity_rms": "mm/s",
        "tower_acceleration": "m/s2",
        "profile_10x20": "mm/s",
    }
    found = [band.channel.name for band in bands_of(channel(name, unit) for name, unit in units.items())]
    lines = ["vibration_ftf", "velocity_1x", "velocity_2x", "rolling_element_bsf", "gearbox_bpfo", "vibration_bpfi"]
    assert found == [*lines, "bearing_band"]


def test_two_bands_are_no_spectrum() -> None:
    assert bands_of([channel("velocity_1x", "mm/s"), channel("bearing_band", "g")]) == ()


def test_a_band_of_velocity_is_not_held_against_the_zones_of_broad_band_velocity() -> None:
    properties = [
        Property(name, kind="measurement", type="float64", unit="mm/s", tag=tag)
        for tag, name in enumerate(("velocity_1x", "velocity_bsf", "velocity_rms", "x2_velocity"), start=1)
    ]
    roles = {c.name: c.role for c in find_channels(properties)}
    bands = {"velocity_1x": Role.BAND, "velocity_bsf": Role.BAND}
    assert roles == {**bands, "velocity_rms": Role.VELOCITY, "x2_velocity": Role.VELOCITY}


def test_levels_are_decibels_above_the_healthy_level_or_above_the_median_where_none_is_known() -> None:
    means = np.array([[2.0, 4.0, 20.0], [1.0, np.nan, 1.0], [3.0, 3.0, 6.0]])
    fall = waterfall(means, [2.0, 0.1, None])
    assert not fall.healthy
    np.testing.assert_allclose(fall.levels[0], [0.0, 6.0206, 20.0], atol=1e-4)
    np.testing.assert_allclose(fall.levels[1], [20.0, np.nan, 20.0])
    np.testing.assert_allclose(fall.levels[2], [0.0, 0.0, 6.0206], atol=1e-4)
    assert waterfall(means, [2.0, 0.1, 3.0]).healthy


def test_a_band_that_was_never_read_has_no_level() -> None:
    assert np.isnan(waterfall(np.full((1, 4), np.nan), [None]).levels).all()


def test_rows_are_laid_out_by_tag_and_window_and_what_is_missing_stays_so() -> None:
    grid = grid_of([(7, 0, 1.0), (9, MINUTE, 2.0), (7, MINUTE, None), (8, 0, 5.0)], [9, 7], [0, MINUTE])
    np.testing.assert_allclose(grid, [[np.nan, 2.0], [1.0, np.nan]])


def test_a_cell_says_what_was_read_and_its_colour_stays_within_the_scale() -> None:
    bands = bands_of([channel("bpfo", "m/s2"), channel("velocity_1x", "mm/s"), channel("bearing_band", "m/s2")])
    fall = waterfall(np.array([[1.0, 1e-3], [1.0, 40.0], [1.0, np.nan]]), [1.0, 1.0, 1.0])
    cells = cells_of(bands, fall)
    assert [cell[:3] for cell in cells] == [[0, 0, 0.0], [1, 0, LOW_DB], [0, 1, 0.0], [1, 1, HIGH_DB], [0, 2, 0.0]]
    assert cells[3][3] == "Bpfo, outer race: 40.0 m/s², +32\u202fdB"
    assert cell_text(bands[0], 0.001, -60.0).endswith("−60\u202fdB")
    drawn = options(bands, [0, MINUTE], fall, long=False)
    assert drawn["xAxis"]["data"] == ["00:00", "00:01"]
    assert drawn["series"][0]["data"] == cells
    small, large = (each["option"]["yAxis"]["axisLabel"]["width"] for each in drawn["media"])
    assert small < large == SIGN_PX * len("Bearing band, high frequencies")


@pytest.mark.parametrize(("long", "label"), [(False, "00:01"), (True, "01 Jan 00:01")])
def test_a_long_span_names_the_day(long: bool, label: str) -> None:
    bands = bands_of([channel("1x", "mm/s"), channel("2x", "mm/s"), channel("3x", "mm/s")])
    fall = waterfall(np.ones((3, 1)), [1.0, 1.0, 1.0])
    assert options(bands, [MINUTE], fall, long=long)["xAxis"]["data"] == [label]
