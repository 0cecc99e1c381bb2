"""What a machine may cost, what is done next, and which comes first."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.apps.maintenance.risk.chance import Chance, Source
from penstock.apps.maintenance.risk.costs import SHIPPED, CostBook, Costs, read_costs
from penstock.apps.maintenance.risk.rank import By, Risk, Step, assess, ranked, total_loss
from penstock.apps.maintenance.risk.standing import mode_of, modes_of
from penstock.core.errors import ConfigError
from penstock.sdk.models import AssetType, FailureMode, Property

COSTS = Costs("EUR", 10_000.0, 2_000.0, 1_500.0, 150.0, 24.0)


def chance(within: float, twice: float) -> Chance:
    return Chance(within, twice, Source.LEVEL)


def made(name: str, within: float, twice: float, costs: Costs = COSTS, suspected: str = "") -> Risk:
    return assess(name, f"works/{name}", chance=chance(within, twice), costs=costs, suspected=suspected)


def test_the_loss_is_what_a_failure_costs_beyond_the_repair() -> None:
    assert made("a", 0.25, 0.5).loss == pytest.approx(2_000.0)
    cheap = Costs("EUR", 1_000.0, 2_000.0, 0.0, 0.0, 24.0)
    assert made("a", 0.9, 1.0, cheap).loss == 0.0


@pytest.mark.parametrize(
    ("within", "twice", "step"),
    [(0.6, 0.9, Step.STOP), (0.02, 0.6, Step.ORDER), (0.01, 0.05, Step.INSPECT), (0.0, 0.01, Step.WATCH)],
)
def test_the_step_is_the_one_that_pays(within: float, twice: float, step: Step) -> None:
    assert made("a", within, twice).step is step


def test_the_gain_is_that_of_the_cheaper_way_to_act_now() -> None:
    order = made("a", 0.02, 0.6)
    assert order.gain == pytest.approx(0.58 * 8_000 - 0.4 * 1_500)
    stop = made("a", 0.6, 0.9)
    assert stop.gain == pytest.approx(0.6 * 8_000 - 0.4 * 1_500)
    assert (made("a", 0.0, 0.01).gain or 0.0) < 0


def test_an_alarm_makes_somebody_look() -> None:
    quiet = assess("a", "a", chance=chance(0.0, 0.0), costs=COSTS, alarmed=True)
    assert quiet.step is Step.INSPECT
    assert assess("a", "a", chance=None, costs=COSTS, alarmed=True).step is Step.INSPECT


@pytest.mark.parametrize(
    ("suspected", "step"), [("sensor:flow", Step.SENSOR), ("communication", Step.WIRE), ("communication:x", Step.WIRE)]
)
def test_a_reading_that_cannot_be_trusted_says_nothing_of_the_machine(suspected: str, step: Step) -> None:
    risk = made("a", 0.9, 1.0, suspected=suspected)
    assert (risk.step, risk.chance, risk.loss) == (step, None, None)
    assert made("a", 0.9, 1.0, suspected="sensor housing").chance is not None


def test_by_risk_and_by_money_are_two_orders() -> None:
    dear = Costs("EUR", 100_000.0, 2_000.0, 1_500.0, 150.0, 24.0)
    risks = [made("likely", 0.5, 0.9), made("dear", 0.1, 0.2, dear), made("sound", 0.0, 0.0)]
    risks.append(assess("blind", "a", chance=None, costs=COSTS))
    assert [r.asset for r in ranked(risks, By.RISK)] == ["likely", "dear", "sound", "blind"]
    assert [r.asset for r in ranked(risks, By.MONEY)] == ["dear", "likely", "sound", "blind"]


def test_equal_risks_have_an_order_that_does_not_jump() -> None:
    risks = [made(name, 0.2, 0.3) for name in "cab"]
    for by in By:
        assert [r.asset for r in ranked(risks, by)] == [r.asset for r in ranked(risks[::-1], by)] == ["a", "b", "c"]


def test_money_of_different_currencies_is_neither_compared_nor_added() -> None:
    yen = Costs("JPY", 1_000_000.0, 2_000.0, 1_500.0, 150.0, 24.0)
    risks = [made("yen", 0.5, 0.9, yen), made("few", 0.1, 0.2), made("many", 0.5, 0.9)]
    assert [r.asset for r in ranked(risks, By.MONEY, currency="EUR")] == ["many", "few", "yen"]
    assert [r.asset for r in ranked(risks, By.MONEY, currency="JPY")] == ["yen", "many", "few"]
    sums = total_loss(risks)
    assert sums == {"JPY": pytest.approx(499_000.0), "EUR": pytest.approx(4_800.0)}


def attributes(**given: object) -> list[Property]:
    return [Property(name, "attribute", "string", value=value) for name, value in given.items()]  # type: ignore[arg-type]


def test_an_asset_says_its_costs_before_its_type_and_the_default() -> None:
    book = CostBook(COSTS, {"pump": Costs("EUR", 1.0, 2.0, 3.0, 4.0, 5.0)})
    assert book.of("fan", []) == COSTS
    assert book.of("pump", []).missed_failure == 1.0
    own = book.of("pump", attributes(cost_missed_failure="77.5", notice_h=12, currency="CHF", maker="x"))
    assert (own.missed_failure, own.planned_repair, own.notice_h, own.currency) == (77.5, 2.0, 12.0, "CHF")
    assert own.wrong == ()


def test_the_notice_of_the_failure_mode_stands_behind_the_assets_own() -> None:
    book = CostBook(COSTS)
    assert book.of(None, [], mode_notice_h=6.0).notice_h == 6.0
    assert book.of(None, attributes(notice_h=48), mode_notice_h=6.0).notice_h == 48.0
    assert book.of(None, [], mode_notice_h=-1.0).notice_h == 24.0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cost_inspection", "much"),
        ("cost_inspection", -1),
        ("cost_missed_failure", "inf"),
        ("cost_missed_failure", "nan"),
        ("cost_needless_stop", True),
        ("notice_h", 0),
        ("notice_h", 1e9),
    ],
)
def test_an_attribute_that_is_no_cost_is_named_and_the_file_has_the_say(name: str, value: object) -> None:
    costs = CostBook(COSTS).of(None, attributes(**{name: value}))
    assert len(costs.wrong) == 1
    assert name in costs.wrong[0]
    assert costs.notice_h == 24.0
    assert (costs.inspection, costs.missed_failure, costs.needless_stop) == (150.0, 10_000.0, 1_500.0)


def test_the_file_that_ships_can_be_read() -> None:
    book = read_costs()
    assert book.default.currency == "EUR"
    assert book.default.avoidable > book.default.needless_stop
    assert read_costs(SHIPPED) == book


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: 2\ncurrency: EUR\ndefault: {}", "version"),
        ("[]", "valid dictionary"),
        ("{", "cannot be read"),
        (SHIPPED.read_text().replace("notice_h: 24", "notice_h: 0", 1), "default.notice_h"),
        (SHIPPED.read_text().replace("inspection: 150", "inspection: many", 1), "default.inspection"),
        (SHIPPED.read_text().replace("types: {}", "types: {pump: {}}"), "types.pump.missed_failure"),
    ],
)
def test_a_file_that_is_wrong_says_where(tmp_path: Path, text: str, said: str) -> None:
    place = tmp_path / "costs.yaml"
    place.write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_costs(place)


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_costs(tmp_path / "costs.yaml")


def test_failure_modes_are_those_of_the_newest_revision_of_a_type() -> None:
    modes = {"bearing": FailureMode("bearing", {}, "", "Replace it", 12.0), "late": FailureMode("bearing", {})}
    types = [
        AssetType("pump", 2, failure_modes=modes),
        AssetType("pump", 1, failure_modes={"seal": FailureMode("seal", {}, "", "Grease it")}),
        AssetType("fan"),
    ]
    found = modes_of(types)
    assert list(found) == [("pump", "bearing")]
    assert (found["pump", "bearing"].action, found["pump", "bearing"].notice_h) == ("Replace it", 12.0)


def test_of_several_parts_that_are_suspected_the_longest_notice_counts() -> None:
    modes = {"a": FailureMode("impeller", {}, notice_h=12.0), "b": FailureMode("coupling", {}, notice_h=48.0)}
    found = modes_of([AssetType("pump", 1, failure_modes=modes)])
    assert mode_of(found, "pump", "impeller or coupling") == modes["b"]
    assert mode_of(found, "pump", "impeller") == modes["a"]
    assert mode_of(found, "pump", "seal") is None
    assert mode_of(found, None, "impeller") is None
