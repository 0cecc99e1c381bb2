"""What is told of rejects: the first at once, then a line a minute, by device."""

from penstock.gateway.junk import KINDS_MAX, MINUTE_NS, SHOWN_NS, Junk, JunkReport


def junk(reason: str = "payload on t is not JSON", *, count: int = 1, tag: str | None = None) -> Junk:
    return Junk(tag, "topic t", reason, "{no", count)


def test_the_first_reject_of_a_device_is_told_at_once_with_tag_topic_and_reason() -> None:
    report = JunkReport()
    [line] = report.on_rejects("meter", [junk("a number expected, got str", tag="flow", count=2)], 0)
    assert line == "meter: rejected 2 × tag flow: a number expected, got str (topic t); it begins '{no'"
    [other] = report.on_rejects("press", [junk(), junk("field v is missing on t", count=3)], 1)
    assert other == "press: rejected payload on t is not JSON; it begins '{no' and 3 more"


def test_what_comes_within_a_minute_is_counted_and_told_in_one_line() -> None:
    report = JunkReport()
    report.on_rejects("meter", [junk()], 0)
    for second in range(1, 50):
        assert report.on_rejects("meter", [junk()], second * 1_000_000_000) == []
    assert report.on_wake(MINUTE_NS - 1) == []
    assert report.wake_at() == MINUTE_NS
    assert report.on_wake(MINUTE_NS) == ["meter: rejected 49 more in the last minute: 49 × payload on t is not JSON"]
    assert report.on_rejects("meter", [junk()], MINUTE_NS + 1) == []
    assert report.wake_at() == 2 * MINUTE_NS


def test_after_a_quiet_minute_the_next_is_told_at_once_again() -> None:
    report = JunkReport()
    report.on_rejects("meter", [junk()], 0)
    assert report.on_wake(MINUTE_NS) == []
    assert report.wake_at() is None
    assert len(report.on_rejects("meter", [junk()], MINUTE_NS + 1)) == 1


def test_kinds_are_bounded_and_the_rest_is_counted() -> None:
    report = JunkReport()
    report.on_rejects("meter", [junk()], 0)
    report.on_rejects("meter", [junk(f"t says {n}", count=n) for n in range(1, KINDS_MAX + 3)], 1)
    [line] = report.on_wake(MINUTE_NS)
    assert line.startswith("meter: rejected 15 more")
    assert line.endswith("; 9 others")
    assert line.count(" × ") == KINDS_MAX


def test_a_device_is_a_problem_until_its_last_reject_is_old() -> None:
    report = JunkReport()
    report.on_rejects("meter", [junk()], 0)
    report.on_rejects("meter", [junk("a number expected, got str", tag="flow")], 5)
    last = "the last: tag flow: a number expected, got str (topic t)"
    [problem] = report.problems(4 + SHOWN_NS)
    assert problem == f"meter sends what cannot become samples: 2 rejected, {last}"
    assert report.problems(5 + SHOWN_NS) == []


def test_no_reject_says_nothing() -> None:
    report = JunkReport()
    assert (report.on_rejects("meter", [], 0), report.problems(0), report.wake_at()) == ([], [], None)
