"""Random commits and random questions: answers do not depend on what is sealed, nor on when."""

import asyncio
import random
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.platform.historian.service import Historian
from tests.builders.historian import NOON_NS
from tests.builders.sealing import all_answers, awkward_batches


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**32), generation_rows=st.sampled_from([1, 60, 250]))
def test_answers_are_the_same_hot_and_sealed(seed: int, generation_rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(compare(Path(folder), seed, generation_rows))


async def compare(folder: Path, seed: int, generation_rows: int) -> None:
    hot = Historian(folder / "hot", generation_rows=10**9, now_ns=lambda: NOON_NS)
    mixed = Historian(folder / "mixed", generation_rows=generation_rows, now_ns=lambda: NOON_NS)
    await hot.start()
    await mixed.start()
    try:
        for number, batch in enumerate(awkward_batches(random.Random(seed), 10)):
            assert await hot.append([batch]) == await mixed.append([batch])
            if number == 6:
                assert await mixed.wait_sealed()
        assert await all_answers(mixed, random.Random(seed), 15) == await all_answers(hot, random.Random(seed), 15)
    finally:
        await hot.stop()
        await mixed.stop()
