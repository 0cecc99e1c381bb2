"""Every seed is 40 s of broken links to a server of another character: nothing is lost unmarked, nothing doubled."""

from collections.abc import Callable

import pytest

from penstock.edge.opcua import recovery as r
from penstock.edge.opcua.sequence import Sequence
from tests.sim.opcua_world import ROLLS_OVER, World

SEEDS = range(200)
FOUND = (2579, 2846)
"""Seeds in which a link broke between a value that ended a mark and the step that the machine took for its end."""


@pytest.mark.parametrize("seed", [*SEEDS, *FOUND])
def test_what_the_server_held_arrives_and_the_rest_is_marked(seed: int) -> None:
    world = World(seed, first_sequence=ROLLS_OVER if seed % 5 == 0 else 1).run()
    assert world.judge() == []
    assert len(world.delivered) > 100, "the run was too quiet to prove anything"
    assert world.machine.counts.breaks > 0


def test_the_seeds_go_through_every_way_of_recovery() -> None:
    totals = dict.fromkeys(("resumed", "transferred", "subscribed", "republished", "lost", "repeated", "silences"), 0)
    refilled = 0
    for seed in SEEDS[:60]:
        world = World(seed).run()
        for name in totals:
            totals[name] += getattr(world.machine.counts, name)
        refilled += sum(gap.to_ns == gap.from_ns + 1 for gap in world.gaps)
    assert all(totals.values()), totals
    assert refilled, "no mark was ever taken back"


def _take_at_once(self: r.Recovery, item: r.Input, _now_ns: int) -> list[r.Effect]:
    assert isinstance(item, r.Answered)
    return [r.Heard()] if item.keep_alive else [r.Deliver(item.sequence)]


def _mark_nothing(_self: r.Recovery, _cause: str) -> list[r.Effect]:
    return []


def _go_past_at_once(self: r.Recovery) -> list[r.Effect]:
    return self._close_hole() if self.sequence.missing is None else self._go_past()


def _always_in_order(_self: Sequence, _following: int) -> bool:
    return True


def _forget_the_mark(self: r.Recovery, _item: r.Input, now_ns: int) -> list[r.Effect]:
    self._marked = True
    return self._resume(now_ns)


BUGS: dict[str, tuple[type, str, Callable[..., object]]] = {
    "delivers what comes as it comes": (r.Recovery, "_on_answered", _take_at_once),
    "marks no gap": (r.Recovery, "_mark", _mark_nothing),
    "does not ask again": (r.Recovery, "_next_missing", _go_past_at_once),
    "trusts each keep-alive": (Sequence, "announce", _always_in_order),
    "takes every break for marked": (r.Recovery, "_on_no_more", _forget_the_mark),
}


def _arrive_and_stay_marked(self: r.Recovery, sequence: int) -> list[r.Effect]:
    delivered = [r.Deliver(number) for number in self.sequence.take(sequence)]
    return [*self._prove(), *delivered] if delivered else []


def test_mark_that_is_taken_for_open_after_its_end_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(r.Recovery, "_arrive", _arrive_and_stay_marked)
    assert all(_fails(seed) for seed in FOUND)


@pytest.mark.parametrize("bug", BUGS)
def test_planted_bug_is_caught(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, name, wrong = BUGS[bug]
    monkeypatch.setattr(where, name, wrong)
    if where is r.Recovery:
        for pair, handler in r._TABLE.items():
            if handler.__name__ == name:
                monkeypatch.setitem(r._TABLE, pair, wrong)
    assert any(_fails(seed) for seed in range(100))


def _fails(seed: int) -> bool:
    try:
        return bool(World(seed).run().judge())
    except (KeyError, r.UnexpectedInput, RecursionError):
        return True
