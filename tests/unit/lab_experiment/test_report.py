"""The experiment's tables, from events that are counted by hand."""

from penstock.lab.experiment.judge import runs_of
from penstock.lab.experiment.plan import WATCH_FROM_NS
from penstock.lab.experiment.report import joined, line_of, report
from penstock.lab.scoring.costs import CostBook, Costs
from penstock.lab.scoring.words import Alarm, Case, Episode, RulSaid, Window

HOUR = 3600 * 10**9
COSTS = CostBook("EUR", Costs(9000.0, 1500.0, 120.0, 2000.0, 0.5, 1000.0), {})


def case() -> Case:
    """Three machine faults (one found with most of its life left, one at its very end, one never) and a sensor's."""
    faults = (
        Episode("fan/m00", "m00", "bearing", 0, 10 * HOUR, 9 * HOUR, component="fan bearing"),
        Episode("fan/m00", "m00", "belt", 20 * HOUR, 30 * HOUR, 29 * HOUR, component="belt"),
        Episode("fan/m00", "m00", "filter", 40 * HOUR, 50 * HOUR, 49 * HOUR, component="filter"),
        Episode("fan/m00", "m00", "drift:flow", 60 * HOUR, 65 * HOUR, kind="sensor", component="flow"),
    )
    alarms = (
        Alarm("a", "fan/m00", 1 * HOUR, 2 * HOUR, "fan bearing"),
        Alarm("b", "fan/m00", 28 * HOUR, 29 * HOUR, "sensor:speed"),
        Alarm("c", "fan/m00", 61 * HOUR, 62 * HOUR, "sensor:flow"),
        Alarm("d", "fan/m00", 80 * HOUR, 81 * HOUR, "belt"),
    )
    ruls = (RulSaid("fan/m00", 5 * HOUR, 3 * 3600.0, 2 * 3600.0, 5 * 3600.0),)
    return Case(Window(0, 100 * HOUR), {"fan/m00": "fan"}, faults, alarms, ruls)


def test_a_fault_counts_as_found_where_a_fifth_of_its_life_is_left() -> None:
    line = line_of("fan", case())
    assert (line.faults, line.found, line.false) == (3, 1, 1)
    assert (line.recall, line.precision) == (1 / 3, 0.5)
    assert line.leads == (8 / 9,)
    assert (line.sensors, line.sensors_found) == (1, 1)
    assert (line.alarmed, line.kind_right) == (3, 2)
    assert (line.machine_alarmed, line.part_right) == (2, 1)
    assert line.life.mae_s == 3600.0


def test_lines_add_up() -> None:
    lines = [line_of("fan", case()), line_of("pump", case())]
    whole = joined(lines, [case(), case()])
    assert (whole.faults, whole.found, whole.false, whole.machines) == (6, 2, 2, 2)
    assert whole.months == 2 * lines[0].months


def test_the_tables_say_it_kind_by_kind_with_the_bills_of_all() -> None:
    text = list(report([("fan", case()), ("pump", case())], COSTS))
    assert text[2].startswith("| fan | 1 | 3 | 1 (33 %) | 50 % | 89 % |")
    assert text[4].startswith("| all | 2 | 6 | 2 (33 %) |")
    failed = next(line for line in text if line.startswith("| run to failure"))
    assert failed == "| run to failure | 6 | 0 | 0 | 0 | 54,000 |"
    assert any(line.startswith("- missed_failure × 3") for line in text)


def test_a_run_begins_where_the_one_before_was_repaired() -> None:
    of = case().episodes
    runs = runs_of("m00", of)
    assert [run.name for run in runs] == ["m00r00", "m00r01", "m00r02"]
    assert [run.end_ns for run in runs] == [9 * HOUR, 29 * HOUR, 49 * HOUR]
    assert [run.start_ns for run in runs] == [WATCH_FROM_NS, 10 * HOUR + 1, 30 * HOUR + 1]
