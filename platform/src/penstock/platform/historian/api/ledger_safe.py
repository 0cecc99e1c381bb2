"""Whether everything up to a time is safely stored: yes, no, or not known, with the reasons. Pure.

Theory of operation
-------------------
Two questions are judged apart and answered together. *Delivered*: is all that the gateway journalled up to then, by its
clock, committed? The historian's watermarks and what the gateway states of its journal tell; a gateway that has stated
nothing since may hold more. *Missing*: is something of that span known not to be there? Gaps that were not refilled,
declared drops, samples in quarantine. What could not become a sample, what a deadband left out, and what was erased on
somebody's order is told and changes no answer. A loss that nobody can tie to a tag leaves the answer for a tag open.
The worst reason decides.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from penstock.core.times import NS_PER_S, format_rfc3339_ns
from penstock.platform.historian.api.ledger_delivery import Uplink
from penstock.platform.historian.ledger.by_tag import Told
from penstock.platform.historian.ports import RecordKind


class Answer(StrEnum):
    """Answer whether all is stored."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Reason:
    """Say what the answer rests on. `effect` None: worth knowing, and no hindrance."""

    kind: str
    effect: Answer | None
    text: str
    count: int = 0
    gateway: str | None = None
    tag: int | None = None
    cause: str = ""
    from_ns: int | None = None
    to_ns: int | None = None


DELIVERED: Final = "delivered"
BATCHES_MISSING: Final = "batches-missing"
NOT_STATED: Final = "not-stated"
NEVER_DELIVERED: Final = "never-delivered"
OPEN_GAP: Final = "open-gap"
TO_COME: Final = Reason("to-come", Answer.UNKNOWN, "that time is still to come")


def delivery(name: str, gateway: str, uplink: Uplink, at_ns: int) -> Reason:
    """Judge whether all that a gateway journalled up to a time is committed."""
    until_ns, holding = uplink.until_ns, uplink.holding
    if until_ns is not None and until_ns >= at_ns:
        text = f"everything that {name} journalled up to then is stored"
        return Reason(DELIVERED, None, text, gateway=gateway, to_ns=until_ns)
    if uplink.missing:
        since = "" if until_ns is None else f" It is whole up to {_time(until_ns)}."
        stated = ""
        if holding is not None and holding.waiting:
            stated = f" At {_time(holding.as_of_ns)} it stated that {holding.waiting} wait."
        text = f"{_many(uplink.missing, 'batch')} of {name} {_are(uplink.missing)} not here.{stated}{since}"
        return Reason(BATCHES_MISSING, Answer.NO, text, uplink.missing, gateway, to_ns=until_ns)
    if until_ns is None:
        text = f"{name} has delivered nothing yet"
        return Reason(NEVER_DELIVERED, Answer.UNKNOWN, text, gateway=gateway)
    text = f"{name} was last heard of its journal at {_time(until_ns)}; what it journalled since is not known here"
    return Reason(NOT_STATED, Answer.UNKNOWN, text, gateway=gateway, to_ns=until_ns)


def losses(told: Iterable[Told], *, of_tags: bool) -> list[Reason]:
    """Make reasons of records; `of_tags`: single tags were asked for, so that a loss of no tag may not be theirs."""
    found = []
    for each in told:
        reason = _loss(each)
        if reason is None:
            continue
        if each.tag is None and of_tags and reason.effect is Answer.NO:
            text = f"{reason.text}; nobody can say of which tag"
            reason = replace(reason, effect=Answer.UNKNOWN, text=text)
        found.append(reason)
    return found


def worst(reasons: Sequence[Reason]) -> Answer:
    """Give the answer that the reasons make."""
    effects = {reason.effect for reason in reasons}
    if Answer.NO in effects:
        return Answer.NO
    return Answer.UNKNOWN if Answer.UNKNOWN in effects else Answer.YES


def sentence(at_ns: int, what: str, reasons: Sequence[Reason]) -> str:
    """Say the answer as people do."""
    answer = worst(reasons)
    head = {
        Answer.YES: f"Yes: {what} is safely stored up to {_time(at_ns)}.",
        Answer.NO: f"No: not all of {what} is stored up to {_time(at_ns)}.",
        Answer.UNKNOWN: f"Not known whether {what} is stored up to {_time(at_ns)}.",
    }[answer]
    told = _summed([reason for reason in reasons if reason.effect is not None])
    notes = _summed([reason for reason in reasons if reason.effect is None and reason.count])
    also = f" Told apart: {'; '.join(notes)}." if notes else ""
    return f"{head}{''.join(f' {_upper(text)}.' for text in told)}{also}"


def _loss(each: Told) -> Reason | None:
    common = (each.writer, each.tag, each.cause, each.from_ns, each.to_ns)
    n = each.samples
    match each.kind:
        case RecordKind.GAP:
            left = each.records - each.refilled
            if not left:
                text = f"{_many(each.refilled, 'gap')} {_are(each.refilled)} refilled ({each.cause})"
                return Reason("refilled", None, text, each.refilled, *common)
            still = f", {each.open} still open" if each.open else ""
            seconds = f"{each.for_ns / NS_PER_S:.3g} s"
            text = f"{_many(left, 'gap')} in the data, {seconds} in all{still} ({each.cause})"
            return Reason(OPEN_GAP if each.open else "gap", Answer.NO, text, left, *common)
        case RecordKind.DROP:
            return Reason("drop", Answer.NO, f"{_many(n, 'sample')} {_are(n)} lost ({each.cause})", n, *common)
        case RecordKind.QUARANTINED:
            text = f"{_many(n, 'sample')} {_are(n)} in quarantine ({each.cause})"
            return Reason("quarantined", Answer.NO, text, n, *common)
        case RecordKind.REJECT:
            text = f"{_many(n, 'reading')} could not become samples ({each.cause})"
            return Reason("reject", None, text, n, *common)
        case RecordKind.THINNED:
            text = f"{_many(n, 'sample')} {_are(n)} left out by a deadband ({each.cause})"
            return Reason("thinned", None, text, n, *common)
        case RecordKind.ERASURE if n:
            text = f"{_many(n, 'sample')} {_are(n)} deleted or replaced on order ({each.cause})"
            return Reason("erasure", None, text, n, *common)
        case _:
            return None


LISTED_MAX: Final = 3
"""Reasons of a kind that a sentence names."""


def _summed(reasons: Sequence[Reason]) -> list[str]:
    """Write the reasons of each kind: the first ones, and how many more."""
    found = []
    for kind in dict.fromkeys(reason.kind for reason in reasons):
        mine = [reason.text.rstrip(".") for reason in reasons if reason.kind == kind]
        texts = list(dict.fromkeys(mine))
        more = f", and {len(texts) - LISTED_MAX} more like it" if len(texts) > LISTED_MAX else ""
        found.append("; ".join(texts[:LISTED_MAX]) + more)
    return found


def _many(count: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("ch") else f"{noun}s"
    return f"{count} {noun if count == 1 else plural}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _time(time_ns: int) -> str:
    return f"{format_rfc3339_ns(time_ns // NS_PER_S * NS_PER_S)[:19].replace('T', ' ')} UTC"
