"""Which fault was found, when, and how often an alarm was false.

An *event* is an episode whose onset lies in the window. The rules, each with a test:

1. An alarm counts for an event only if it names the event's asset, and only if it was raised at onset <= t < end.
2. An alarm raised before the onset is false, even if it still stands when the fault begins: one that never ends would
   find everything.
3. Where several faults of the asset are there at once, the alarm goes to those whose part it names, else to all; among
   them to the earliest onset that no alarm was given to yet; where all have one, it repeats the latest.
4. Several alarms of one event are one detection: the first. The others are *repeats*, neither true nor false.
5. An event whose first alarm came at or after the failure is *late*: not detected, but its alarm is not false.
6. An alarm raised within `after_s` behind the end of an event counts for nothing: the analytics still look at windows
   that hold the fault. So does one raised in an episode whose onset lies before the window.
7. Every other alarm of an asset that the truth knows is false. False alarms of one asset raised within `join_s` of the
   first of them are one: somebody goes there once. Alarms of assets that the truth does not know are left out, counted.
8. Precision = detected / (detected + false alarms); recall = detected / events. No events, or neither, gives None.
9. Of a fault's precision only alarms that name a part speak: those of its own events that name it, over all first
   alarms and false alarms that name it. Recall needs no name.
10. False alarms per asset-month: over the time in which the watched assets were healthy, 30 days a month.

Lead time is from the first alarm to the end of life: the failure, else the one that the growth law foretold; its share
is of the time from onset to that end. Delay is from the onset to the first alarm.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from penstock.lab.scoring.naming import names
from penstock.lab.scoring.words import NS, Alarm, Case, Episode, MONTH_ns


@dataclass(frozen=True, slots=True)
class Rules:
    """The two numbers of the rules above."""

    after_s: float = 1800.0
    join_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class Finding:
    """An event and the alarms that were given to it, in the order of time."""

    episode: Episode
    alarms: tuple[Alarm, ...] = ()

    @property
    def first(self) -> Alarm | None:
        """Give the first alarm."""
        return self.alarms[0] if self.alarms else None

    @property
    def detected(self) -> bool:
        """Say whether an alarm came before the failure."""
        failed_ns = self.episode.failed_ns
        return self.first is not None and (failed_ns is None or self.first.raised_ns < failed_ns)

    @property
    def lead_s(self) -> float | None:
        """Give the time from the first alarm to the end of life; None if not detected, or where no end is known."""
        ends_ns = self.episode.life_ends_ns
        return (ends_ns - self.first.raised_ns) / NS if self.detected and self.first and ends_ns is not None else None

    @property
    def lead_share(self) -> float | None:
        """Give the lead time as a share of the time from onset to the end of life."""
        ends_ns, lead_s = self.episode.life_ends_ns, self.lead_s
        if lead_s is None or ends_ns is None or ends_ns <= self.episode.onset_ns:
            return None
        return lead_s * NS / (ends_ns - self.episode.onset_ns)

    @property
    def delay_s(self) -> float | None:
        """Give the time from the onset to the first alarm."""
        return (self.first.raised_ns - self.episode.onset_ns) / NS if self.detected and self.first else None


@dataclass(frozen=True, slots=True)
class Matched:
    """All alarms, each in one place. `false` holds one group of alarms for each false alarm that counts."""

    findings: tuple[Finding, ...]
    false: tuple[tuple[Alarm, ...], ...]
    ignored: tuple[Alarm, ...]
    foreign: tuple[Alarm, ...]


def match(case: Case, rules: Rules | None = None) -> Matched:
    """Give every alarm of the window its place."""
    rules = rules or Rules()
    events = [each for each in case.episodes if case.window.holds(each.onset_ns)]
    given: dict[int, list[Alarm]] = {i: [] for i in range(len(events))}
    false: list[Alarm] = []
    ignored: list[Alarm] = []
    foreign: list[Alarm] = []
    for alarm in sorted(case.alarms, key=lambda each: (each.raised_ns, each.asset, each.id)):
        if not case.window.holds(alarm.raised_ns):
            continue
        live = [i for i, each in enumerate(events) if each.asset == alarm.asset and each.is_live(alarm.raised_ns)]
        if live:
            given[_target(alarm, live, events=events, given=given)].append(alarm)
        elif alarm.asset not in case.assets:
            foreign.append(alarm)
        elif _is_excused(alarm, case.episodes, rules):
            ignored.append(alarm)
        else:
            false.append(alarm)
    findings = tuple(Finding(each, tuple(given[i])) for i, each in enumerate(events))
    return Matched(findings, tuple(_joined(false, rules)), tuple(ignored), tuple(foreign))


def _target(alarm: Alarm, live: Sequence[int], *, events: Sequence[Episode], given: dict[int, list[Alarm]]) -> int:
    named = [i for i in live if names(alarm.part, events[i])] or live
    free = [i for i in named if not given[i]]
    return min(free, key=lambda i: (events[i].onset_ns, i)) if free else max(named, key=lambda i: events[i].onset_ns)


def _is_excused(alarm: Alarm, episodes: Iterable[Episode], rules: Rules) -> bool:
    """Say whether a fault was there just before, or one that came before the window is there."""
    after_ns = round(rules.after_s * NS)
    return any(
        each.asset == alarm.asset
        and (
            each.is_live(alarm.raised_ns)
            or (each.end_ns is not None and each.end_ns <= alarm.raised_ns < each.end_ns + after_ns)
        )
        for each in episodes
    )


def _joined(false: Sequence[Alarm], rules: Rules) -> list[tuple[Alarm, ...]]:
    """Group false alarms, each group from its first one on; the fewest groups that reach all of them."""
    groups: list[list[Alarm]] = []
    newest: dict[str, list[Alarm]] = {}
    for alarm in false:
        group = newest.get(alarm.asset)
        if group is None or alarm.raised_ns - group[0].raised_ns > rules.join_s * NS:
            newest[alarm.asset] = group = []
            groups.append(group)
        group.append(alarm)
    return [tuple(group) for group in groups]


@dataclass(frozen=True, slots=True)
class Detection:
    """The figures of some events; times in seconds, None where there is nothing to count."""

    events: int
    detected: int
    late: int
    false_alarms: int
    precision: float | None
    recall: float | None
    false_per_asset_month: float | None
    healthy_asset_months: float
    lead_median_s: float | None
    lead_min_s: float | None
    lead_share_median: float | None
    delay_median_s: float | None
    per_fault: dict[str, PerFault] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PerFault:
    """The figures of one fault; `precision` of named alarms, see rule 9."""

    kind: str
    component: str
    events: int
    detected: int
    recall: float | None
    precision: float | None
    lead_median_s: float | None
    lead_share_median: float | None
    delay_median_s: float | None


def figures(matched: Matched, case: Case) -> Detection:
    """Count."""
    found = matched.findings
    detected = sum(each.detected for each in found)
    months = _healthy_ns(case) / MONTH_ns
    leads = [each.lead_s for each in found if each.lead_s is not None]
    false = len(matched.false)
    return Detection(
        events=len(found),
        detected=detected,
        late=sum(each.first is not None and not each.detected for each in found),
        false_alarms=false,
        precision=_ratio(detected, detected + false),
        recall=_ratio(detected, len(found)),
        false_per_asset_month=false / months if months > 0 else None,
        healthy_asset_months=months,
        lead_median_s=_median(leads),
        lead_min_s=min(leads, default=None),
        lead_share_median=_median(each.lead_share for each in found),
        delay_median_s=_median(each.delay_s for each in found),
        per_fault={name: _of_fault(name, matched) for name in sorted({each.episode.fault for each in found})},
    )


def _of_fault(fault: str, matched: Matched) -> PerFault:
    own = [each for each in matched.findings if each.episode.fault == fault]
    episode = own[0].episode
    firsts = [each.first for each in matched.findings if each.first is not None]
    naming = [each for each in (*firsts, *(group[0] for group in matched.false)) if names(each.part, episode)]
    right = sum(each.detected and each.first is not None and names(each.first.part, episode) for each in own)
    detected = sum(each.detected for each in own)
    return PerFault(
        episode.kind,
        episode.component,
        events=len(own),
        detected=detected,
        recall=_ratio(detected, len(own)),
        precision=_ratio(right, len(naming)),
        lead_median_s=_median(each.lead_s for each in own),
        lead_share_median=_median(each.lead_share for each in own),
        delay_median_s=_median(each.delay_s for each in own),
    )


def _healthy_ns(case: Case) -> int:
    """Sum the window's time over the assets that are watched, without what lies in an episode."""
    whole = case.window.end_ns - case.window.start_ns
    watched = case.assets.keys() if case.watched is None else case.watched & case.assets.keys()
    return sum(whole - _covered_ns(asset, case) for asset in watched)


def _covered_ns(asset: str, case: Case) -> int:
    start, end = case.window.start_ns, case.window.end_ns
    spans = sorted(
        (max(each.onset_ns, start), end if each.end_ns is None else min(each.end_ns, end))
        for each in case.episodes
        if each.asset == asset
    )
    covered, reached = 0, start
    for begin, until in spans:
        begin = max(begin, reached)
        if until > begin:
            covered, reached = covered + until - begin, until
    return covered


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _median(values: Iterable[float | None]) -> float | None:
    there = [each for each in values if each is not None]
    return statistics.median(there) if there else None
