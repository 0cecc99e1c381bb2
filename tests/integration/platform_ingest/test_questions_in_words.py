"""Questions that mean nothing are refused in words that say what to ask instead; a real platform process answers."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.builders.ingest import ARRIVAL_NS, WireGateway, dictionary_frame, entry

pytestmark = pytest.mark.integration
Make = Callable[[], WireGateway]


@pytest.fixture(scope="module")
def tag(stack: Any, operator: httpx.Client) -> int:
    """Give a tag without samples, the operator's own."""
    operator.post("/v1/assets", json={"path": "works/site/words", "name": "An asset"}).raise_for_status()
    made = operator.post("/v1/tags", json={"asset": "works/site/words", "property": "score", "type": "float64"})
    return int(made.raise_for_status().json()["id"])


def refused(answer: httpx.Response, status: int = 422) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["detail"])


@pytest.mark.parametrize("seconds", [108_000, 200_001])
def test_too_many_windows_are_answered_alike_and_name_the_limit(
    operator: httpx.Client, tag: int, seconds: int
) -> None:
    asked = {"tag": tag, "interval": "1s", "start": ARRIVAL_NS, "end": ARRIVAL_NS + seconds * 10**9}
    answer = operator.get("/v1/aggregates", params=asked)
    if seconds <= 200_000:
        assert len(answer.raise_for_status().json()["items"][0]["columns"]["start"]) == seconds
        return
    assert "more than 200000 windows, the limit" in refused(answer)
    assert answer.json()["limit"] == 200_000
