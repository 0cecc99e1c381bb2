"""How many samples the declared rates make in a span."""

from penstock.core.times import NS_PER_S
from penstock.platform.historian.api.ledger_summary import expected
from penstock.platform.historian.ledger.entries import Span
from penstock.platform.registry.service import TagRef

HOUR_NS = 3600 * NS_PER_S
NOW_NS = 10 * HOUR_NS
LAST_HOUR = Span(NOW_NS - HOUR_NS, NOW_NS + 1)


def tag(created_ns: int = 0, *, rate_hz: float | None = 2.0, active: bool = True, owner: str = "gtw_a") -> TagRef:
    return TagRef(1, "k", "float64", "t", owner, None, rate_hz, None, created_ns=created_ns, active=active)


def test_tag_older_than_the_span_counts_for_all_of_it() -> None:
    assert expected([tag()], LAST_HOUR, NOW_NS) == 7200


def test_tag_minutes_old_counts_from_its_creation() -> None:
    assert expected([tag(NOW_NS - 60 * NS_PER_S)], LAST_HOUR, NOW_NS) == 120
    assert expected([tag(NOW_NS + NS_PER_S)], LAST_HOUR, NOW_NS) == 0


def test_nothing_is_expected_of_the_future() -> None:
    assert expected([tag()], Span(NOW_NS - HOUR_NS, NOW_NS + HOUR_NS), NOW_NS) == 7200


def test_retired_unrated_and_other_writers_tags_are_left_out() -> None:
    others = [tag(active=False), tag(rate_hz=None), tag(owner="gtw_b")]
    span = Span(LAST_HOUR.start_ns, LAST_HOUR.end_ns, "gtw_a")
    assert expected(others, span, NOW_NS) is None
    assert expected([*others, tag()], span, NOW_NS) == 7200
