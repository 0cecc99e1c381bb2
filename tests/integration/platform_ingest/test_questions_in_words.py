"""Questions that mean nothing are refused in words that say what to ask instead; a real platform process answers."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from penstock.core.times import parse_rfc3339_ns
from penstock.core.units import unit_problem
from penstock.core.values import ValueType
from tests.builders import web
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
def test_too_many_windows_are_answered_alike_and_name_the_limit(operator: httpx.Client, tag: int, seconds: int) -> None:
    asked: dict[str, Any] = {"tag": tag, "interval": "1s", "start": ARRIVAL_NS, "end": ARRIVAL_NS + seconds * 10**9}
    answer = operator.get("/v1/aggregates", params=asked)
    if seconds <= 200_000:
        assert len(answer.raise_for_status().json()["items"][0]["columns"]["start"]) == seconds
        return
    assert "more than 200000 windows, the limit" in refused(answer)
    assert answer.json()["limit"] == 200_000


@pytest.mark.parametrize("route", ["samples", "aggregates", "plot", "interpolated", "ledger/tags"])
def test_seconds_are_not_taken_for_nanoseconds(operator: httpx.Client, tag: int, route: str) -> None:
    told = refused(operator.get(f"/v1/{route}", params={"tag": tag, "start": 1_764_188_000}))
    assert told == (
        "1764188000 is 1970-01-01T00:00:01.764188000Z: integers are nanoseconds since 1970; 1764188000 looks like "
        "seconds"
    )


def test_milliseconds_are_named_in_every_other_time_too(operator: httpx.Client, tag: int) -> None:
    for route, name in (("interpolated", "time"), ("ledger/safe", "at"), ("ledger/gaps", "end"), ("alarms", "start")):
        assert "looks like milliseconds" in refused(
            operator.get(f"/v1/{route}", params={name: 1_764_188_000_123} | ({"tag": tag} if name == "time" else {}))
        )


LISTS = ("batches", "gaps", "drops", "rejects", "thinned", "erasures", "duplicates", "quarantine")
ROUTES_OF_A_GATEWAY = ["tags", "ledger/summary", "ledger/safe", *(f"ledger/{name}" for name in LISTS)]


@pytest.mark.parametrize("route", ROUTES_OF_A_GATEWAY)
def test_a_gateway_is_named_by_id_or_name_and_an_unknown_one_is_told(
    make_gateway: Make, operator: httpx.Client, route: str
) -> None:
    gateway = make_gateway()
    assert gateway.send(dictionary_frame(gateway.epoch, [entry(0, f"{gateway.name}/flow")])).status_code == 200
    ids = {each["name"]: each["id"] for each in operator.get("/v1/gateways").json()["items"]}
    end = "2h-ago"  # the answer does not change between two questions
    more = {} if route == "tags" else {"at": end} if route.endswith("safe") else {"start": "3h-ago", "end": end}
    answers = []
    for named in (gateway.name, ids[gateway.name]):
        answers.append(operator.get(f"/v1/{route}", params={"gateway": named, **more}).raise_for_status().json())
    for answer in answers:
        for moving in ("at", "start", "end", "text", "safe_until"):
            answer.pop(moving, None)
    assert answers[0] == answers[1]
    if route == "tags":
        assert [item["key"] for item in answers[0]["items"]] == [f"{gateway.name}/flow"]
    told = refused(operator.get(f"/v1/{route}", params={"gateway": "edge-none", **more}), 404)
    assert told == "There is no gateway edge-none that you may see. List them to find its id."


def test_what_a_route_takes_is_said_where_nothing_is_named(operator: httpx.Client) -> None:
    span = {"start": "1h-ago", "end": "now"}
    assert refused(operator.delete("/v1/samples", params=span)) == "Name at least one tag (tag=, key=)."
    assert refused(operator.get("/v1/samples")) == "Name at least one tag (tag=, key=)."
    assert refused(operator.get("/v1/plot")) == "Name at least one tag (tag=, key=)."
    assert refused(operator.get("/v1/aggregates")) == "Name at least one tag (tag=, key=) or an asset (asset=)."
    assert refused(operator.get("/v1/latest")).endswith("or an asset (asset=), or everything (all=true).")


def test_a_computed_tag_of_an_unknown_unit_is_refused_as_in_a_device_file(operator: httpx.Client, tag: int) -> None:
    wanted = {"asset": "works/site/words", "property": "speed", "type": "float64"}
    told = refused(operator.post("/v1/tags", json=wanted | {"unit": "m3/hourz"}))
    assert told == unit_problem("m3/hourz")
    assert "did you mean 'm3/hour'?" in told
    assert refused(operator.post("/v1/tags", json={"asset": "works/site/words", "property": "score", "unit": "kgg"}))
    assert operator.get(f"/v1/tags/{tag}").json()["active"], "the tag under the key stays"
    for unit in ("{bottles}/h", "m3/h", "%", None):
        assert operator.post("/v1/tags", json=wanted | {"unit": unit}).status_code == 201, unit


@pytest.mark.parametrize(("start", "at"), [("now", "1h-ago"), ("1h-ago", "2h-ago"), ("30s-ago", None)])
def test_a_start_behind_the_time_asked_is_refused_not_moved(operator: httpx.Client, start: str, at: str | None) -> None:
    told = refused(operator.get("/v1/ledger/safe", params={"start": start} | ({"at": at} if at else {})))
    assert told == "at lies before start; losses count from start up to at."


def test_a_relative_start_is_of_now_and_without_one_a_day_before(operator: httpx.Client) -> None:
    def asked(**params: str) -> dict[str, str]:
        return dict(operator.get("/v1/ledger/safe", params=params).raise_for_status().json())

    at = "2026-01-02T00:00:00Z"
    assert asked(at=at)["start"] == "2026-01-01T00:00:00.000000000Z"
    recent = asked(start="2h-ago", at="1h-ago")
    both = [parse_rfc3339_ns(recent[name]) for name in ("start", "at")]
    assert both[1] - both[0] == 3600 * 10**9


def test_a_plot_of_text_says_that_it_needs_numbers(make_gateway: Make, operator: httpx.Client) -> None:
    gateway = make_gateway()
    frame = dictionary_frame(gateway.epoch, [entry(0, f"{gateway.name}/mode", ValueType.STRING)])
    assert gateway.send(frame).status_code == 200
    answer = operator.get("/v1/plot", params={"key": f"{gateway.name}/mode"})
    assert "a plot needs numbers, or bool; its values are in /v1/samples" in refused(answer)
    assert answer.json()["tag"] == operator.get("/v1/tags", params={"gateway": gateway.name}).json()["items"][0]["id"]
    told = refused(operator.get("/v1/interpolated", params={"key": f"{gateway.name}/mode"}))
    assert "values at given times need numbers, or bool" in told
    assert "Interpolative" not in told


def test_a_stream_beyond_the_head_is_gone_as_since_is(operator: httpx.Client) -> None:
    head = operator.get("/v1/since").json()["head"]
    asked: list[dict[str, Any]] = [
        {"url": "/v1/since", "params": {"position": 99_999_999}},
        {"url": "/v1/stream", "params": {"cursor": 99_999_999}},
        {"url": "/v1/stream", "headers": {"Last-Event-ID": "99999999"}},
    ]
    for each in asked:
        answer = operator.get(**each)
        told = f"position 99999999 lies beyond the head, {head}: the history was restored or made anew"
        assert refused(answer, 410) == told
        assert (answer.json()["type"].rsplit("/")[-1], answer.json()["oldest"]) == ("cursor-expired", 0)
    with operator.stream("GET", "/v1/stream", params={"cursor": head}) as good:
        assert good.status_code == 200


@pytest.mark.parametrize(
    ("route", "query", "meant"),
    [
        ("samples", "strat=1h-ago", "start"),
        ("aggregates", "intervall=1h", "interval"),
        ("interpolated", "stepps=1h", "step"),
        ("ledger/gaps", "gatewy=edge-1", "gateway"),
        ("ledger/tags", "keys=a/b", "key"),
        ("gateways", "limits=5", "limit"),
        ("stream", "alarm=true", "alarms"),
    ],
)
def test_an_unknown_parameter_is_refused_with_what_may_be_meant(
    operator: httpx.Client, tag: int, route: str, query: str, meant: str
) -> None:
    name = query.partition("=")[0]
    told = refused(operator.get(f"/v1/{route}?tag={tag}&{query}" if route == "samples" else f"/v1/{route}?{query}"))
    assert f"The query has '{name}', which is not known (did you mean {meant}" in told


def test_who_may_not_ask_is_told_so_first_and_other_doors_ignore_what_they_do_not_know(operator: httpx.Client) -> None:
    with web.Client(base_url=operator.base_url) as nobody:
        assert nobody.get("/v1/samples?strat=1").status_code == 401
        assert nobody.get("/health?probe=1").status_code == 200
        assert nobody.get("/oauth/jwks.json?x=1").status_code == 200
        assert nobody.get("/login?utm=1").status_code == 200


@pytest.mark.parametrize("route", ["latest", "aggregates", "interpolated", "stream"])
def test_a_path_where_an_asset_id_is_asked_is_told_what_an_id_looks_like(operator: httpx.Client, route: str) -> None:
    for wrong in ("works/site/words", "words"):
        told = refused(operator.get(f"/v1/{route}", params={"asset": wrong}))
        assert f"'{wrong}' is no asset id, which looks like ast_" in told
        assert "pattern" not in told


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("average", "'average' is no aggregate; did you mean Average?"),
        ("TIMEAVERAGE2", "did you mean TimeAverage2?"),
        ("Mimimum", "did you mean Minimum?"),
        ("AnnotationKount", "'AnnotationKount' is no aggregate"),
    ],
)
def test_a_misspelt_aggregate_is_told_what_may_be_meant(operator: httpx.Client, tag: int, name: str, said: str) -> None:
    assert said in refused(operator.get("/v1/aggregates", params={"tag": tag, "aggregate": ["Count", name]}))
