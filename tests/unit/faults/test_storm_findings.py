"""The judges of the campaigns see what they are there to see."""

import pytest

from tests.faults.outcome import spells
from tests.faults.storm import BEGIN_NS, STEP_NS, findings

WHOLE = [(BEGIN_NS + n * STEP_NS, float(n)) for n in range(5)]


def test_a_whole_answer_has_no_finding() -> None:
    assert findings(WHOLE, 5) == []


@pytest.mark.parametrize(
    ("found", "finding"),
    [
        (WHOLE[:2] + WHOLE[3:], "lost: 1 of 5, 2 first"),
        ([*WHOLE, (BEGIN_NS + 5 * STEP_NS, 5.0)], "phantom: 1"),
        ([*WHOLE[:3], WHOLE[2], *WHOLE[3:]], "dup: 1"),
        ([WHOLE[1], WHOLE[0], *WHOLE[2:]], "ooo"),
        ([*WHOLE[:4], (WHOLE[4][0], 7.0)], "corrupt: 1"),
    ],
)
def test_each_fault_is_found(found: list[tuple[int, float]], finding: str) -> None:
    assert findings(found, 5) == [finding]


def test_losses_are_told_by_spell() -> None:
    lost = [("in no marked gap", f"d/t{tag}", BEGIN_NS + at) for at in (0, 10**8, 10**10) for tag in (1, 2)]
    first, second = spells(lost)
    assert first.startswith("lost: 4 values of 2 tags, d/t1")
    assert second.startswith("lost: 2 values of 2 tags, d/t1")
