"""The fake's routes of the ledger: nothing is ever lost in here, unless a test says so (`FakePlatform.lose`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from penstock.core.times import format_rfc3339_ns
from penstock.sdk.testing.call import Call, paged
from penstock.sdk.testing.problem import Refused
from penstock.sdk.testing.state import State

LISTS = "batches|gaps|drops|rejects|thinned|erasures|duplicates|quarantine"
_NEVER = (
    "late", "missing_batches", "open_gaps", "drops", "rejects", "thinned", "erased",
    "quarantined_batches", "quarantined_samples",
)  # fmt: skip
_DAY_NS = 24 * 3600 * 1_000_000_000


def summary(state: State, _: Call) -> dict[str, Any]:
    """Answer `/v1/ledger/summary`."""
    zeros = dict.fromkeys(_NEVER, 0)
    counted = {"stored": len(state.committed), "duplicates": state.duplicates}
    counted["future"] = sum(state.future_rows(tag) for tag in state.tags)
    return {"expected": None, **counted, **zeros, "safe_until": []}


def listing(_: State, call: Call) -> dict[str, Any]:
    """Answer the ledger's lists: empty."""
    return paged(call, [])


def safe(state: State, call: Call) -> dict[str, Any]:
    """Answer `/v1/ledger/safe`: yes up to now, unless something was lost; what is to come is not known."""
    at = call.time("at", "1m-ago")
    tags = list(_tags(state, call))
    reasons: list[dict[str, Any]] = []
    if state.unsafe:
        reasons.append(_reason("batches-missing", "no", state.unsafe))
    elif at > call.now_ns:
        reasons.append(_reason("not-stated", "unknown", "edge-1 was last heard of its journal before then"))
    answer = reasons[0]["effect"] if reasons else "yes"
    head = {"yes": "Yes: all is safely stored.", "no": "No: not all is stored.", "unknown": "Not known."}[answer]
    return {
        "at": format_rfc3339_ns(at),
        "start": format_rfc3339_ns(call.time("start", str(at - _DAY_NS))),
        "answer": answer,
        "text": " ".join([head, *(f"{reason['text']}." for reason in reasons)]),
        "gateways": [],
        "tags": [{"tag": tag["id"], "key": tag["key"], "answer": answer, "newest": None} for tag in tags],
        "reasons": reasons,
    }


def accounts(state: State, call: Call) -> dict[str, Any]:
    """Answer `/v1/ledger/tags`."""
    start, end = call.time("start", "1h-ago"), call.time("end", "now")
    zeros = dict.fromkeys(
        (
            "future",
            "duplicates",
            "gaps",
            "open_gaps",
            "missing_batches",
            "quarantined",
            "thinned",
            "erased",
            "dropped",
            "rejected",
        ),
        0,
    )
    items = [
        zeros
        | {"tag": tag["id"], "key": tag["key"], "gateway": tag["owner"], "late": None, "late_after_s": None}
        | {"stored": sum(start <= row.time < end for row in state.rows[tag["id"]]), "worst_s": None, "gap_s": 0.0}
        | {"causes": []}
        for tag in _tags(state, call)
    ]
    if not items:
        raise Refused(422, "invalid-parameter", "Name at least one tag (tag=, key=) or a device (device=).")
    return {"start": format_rfc3339_ns(start), "end": format_rfc3339_ns(end), "items": items}


def _tags(state: State, call: Call) -> Iterable[dict[str, Any]]:
    for text in call.all("tag"):
        tag = state.tags.get(int(text)) if text.isdecimal() else None
        if tag is None:
            raise Refused(404, "not-found", f"no tag {text}")
        yield tag
    for key in call.all("key"):
        yield state.tag_by_key(key)
    device = call.one("device")
    if device is not None:
        found = [tag for tag in state.tags.values() if tag["key"].startswith(f"{device}/")]
        if not found:
            raise Refused(404, "not-found", f"no device {device}")
        yield from found


def _reason(kind: str, effect: str, text: str) -> dict[str, Any]:
    nothing = dict.fromkeys(("gateway", "tag", "key", "from", "to"))
    return {"kind": kind, "effect": effect, "text": text, "count": 1, "cause": "", **nothing}
