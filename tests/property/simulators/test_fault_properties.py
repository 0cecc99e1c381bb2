"""Whatever is done to a part, in whatever order: severity stays within its bounds, never heals alone, and is kept."""

import json

from hypothesis import given
from hypothesis import strategies as st

from penstock.simulators.models.fault import FaultRequest, Law
from penstock.simulators.models.faults.book import FaultBook
from penstock.simulators.models.faults.process import FaultProcess, FaultSpec
from tests.builders.simulators import context

SPEC = FaultSpec("bearing", "bearing", life_h=2.0, shape=1.5, progress_h=3.0, duty=3.0)

requests = st.builds(
    FaultRequest,
    st.just("bearing"),
    st.floats(0.0, 1.0),
    st.floats(0.0, 20.0, allow_subnormal=False),
    st.sampled_from([0.0, 30.0, 3600.0]),
    st.sampled_from(list(Law)),
)
goings = st.tuples(st.integers(1, 3600), st.sampled_from([0.0, 0.3, 1.0, 1.4]))
acts = st.lists(st.one_of(goings, requests, st.sampled_from(["clear", "repair"])), max_size=12)
Act = tuple[int, float] | FaultRequest | str


def do(part: FaultProcess, act: Act) -> None:
    match act:
        case (seconds, load):
            part.step(float(seconds), load)
        case FaultRequest():
            part.inject(act)
        case "clear":
            part.clear()
        case _:
            part.repair()


@given(acts=acts, wear=st.sampled_from([0.0, 1.0, 50.0]))
def test_severity_stays_in_bounds_and_never_heals_alone(acts: list[Act], wear: float) -> None:
    part = FaultProcess(SPEC, key="part", wear=wear)
    for act in acts:
        before = part.severity
        do(part, act)
        assert 0.0 <= part.severity <= 1.0
        if act not in ("clear", "repair"):
            assert part.severity >= before
        if act == "repair":
            assert part.severity == 0.0
            assert not part.active


@given(acts=acts, later=acts, wear=st.sampled_from([0.0, 1.0, 50.0]))
def test_part_that_was_saved_goes_on_as_it_would_have(acts: list[Act], later: list[Act], wear: float) -> None:
    part, again = FaultProcess(SPEC, key="part", wear=wear), FaultProcess(SPEC, key="part", wear=wear)
    for act in acts:
        do(part, act)
    again.load(json.loads(json.dumps(part.save())))
    assert again.state() == part.state()
    for act in later:
        do(part, act)
        do(again, act)
        assert again.state() == part.state()


@given(seconds=st.integers(1, 20_000), pieces=st.integers(1, 50), load=st.sampled_from([0.5, 1.0]), request=requests)
def test_severity_does_not_depend_on_how_time_is_cut(
    seconds: int, pieces: int, load: float, request: FaultRequest
) -> None:
    whole, cut = FaultProcess(SPEC, key="part", wear=1.0), FaultProcess(SPEC, key="part", wear=1.0)
    for part in (whole, cut):
        part.inject(request)
    whole.step(float(seconds), load)
    for _ in range(pieces):
        cut.step(seconds / pieces, load)
    assert abs(cut.severity - whole.severity) < 1e-6


@given(
    acts=st.lists(st.tuples(st.sampled_from(["inject", "clear", "repair", "go"]), st.sampled_from("ab")), max_size=20)
)
def test_machine_stands_exactly_while_a_fault_is_complete_or_a_fitter_is_there(acts: list[tuple[str, str]]) -> None:
    book = FaultBook(context("dut"))
    for name in "ab":
        book.fault(name, component=name, trip=f"trip of {name}")
    fitter_s = 0.0
    for what, name in acts:
        match what:
            case "inject":
                book.inject(FaultRequest(name, 1.0))
            case "clear":
                book.clear(name)
            case "repair":
                book.repair(name)
                fitter_s = 20.0
        book.step(7.0, 0.0 if book.standing else 1.0)
        fitter_s = max(0.0, fitter_s - 7.0)
        complete = [state.fault for state in book.faults() if state.severity >= 1.0]
        assert book.standing == (bool(complete) or fitter_s > 0.0)
        assert (book.failed in complete) if complete else book.failed == ""
