"""A tenth of the samples an hour late, shuffled, partly repeated: the same answers as in order. The small form of the
campaign `arrival-order`."""

from pathlib import Path

import pytest

from tests.faults.arrival import SMALL, compare
from tests.faults.campaign import Result

pytestmark = pytest.mark.integration


async def test_the_order_of_arrival_leaves_no_trace_in_answers(tmp_path: Path) -> None:
    result = Result()
    await compare(tmp_path, 20261126, result, SMALL)
    assert result.failures == []
    assert min(int(result.figures[name]) for name in ("seals", "merges", "late", "twice", "batches resent")) > 0
