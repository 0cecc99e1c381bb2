"""Judges committed samples by the rules; what it remembers, its cursor and its transitions are one transaction.

A crash before the commit judges the same rows again, a crash after it goes on behind them: no alarm is missed, none
is doubled, because an alarm's id follows from the rule's version and the activating sample's position. Commits that
hold nothing of a watched tag change nothing, and the cursor may be saved behind them: a start reads them once more.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from penstock.core.alarm import AlarmSample, Transition
from penstock.platform.alarms.model import Evaluator, EvaluatorCursor, Rule
from penstock.platform.alarms.store import Target, apply, machine
from penstock.platform.alarms.targets import targets
from penstock.platform.kit.db import Database

CLOCK_SKEW_MAX_NS = 60_000_000_000
"""A sample stamped further ahead is stored but not judged: it would blind the rule until its time came."""

_CURSOR = 1
log = logging.getLogger(__name__)

LatestOf = Callable[[Sequence[int]], Mapping[int, AlarmSample]]


@dataclass(frozen=True, slots=True)
class Watched:
    """A rule with what it watches."""

    rule: Rule
    target: Target


@dataclass(slots=True)
class Counters:
    """What the evaluator did since the start, for /metrics."""

    judged: int = 0
    future: int = 0
    transitions: int = 0
    rewinds: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did: number of transitions, and per judged rule the event time at which a delay under way ends."""

    transitions: int
    due_ns: dict[str, int | None] = field(default_factory=dict)


class RuleEvaluator:
    """Evaluate in worker threads; one at a time."""

    def __init__(self, db: Database, latest: LatestOf, now_ns: Callable[[], int]) -> None:
        self._db = db
        self._latest = latest
        self._now_ns = now_ns
        self._watched: dict[str, Watched] = {}
        self._primed: set[tuple[str, int]] = set()
        self.counters = Counters()

    def refresh(self) -> list[int]:
        """Read the rules and what they watch again; give the tags to follow."""
        with self._db.reading() as session:
            query = select(Rule).where(Rule.removed_ns.is_(None), Rule.enabled)
            rules = {rule.id: rule for rule in session.execute(query).scalars()}
            found = targets(session, rules.values())
            evaluated = select(Evaluator.rule_id, Evaluator.version)
            self._primed = {(rule, version) for rule, version in session.execute(evaluated)}
        self._watched = {rule_id: Watched(rules[rule_id], target) for rule_id, target in found.items()}
        return self.tags()

    def tags(self) -> list[int]:
        """Give the tags to follow."""
        return sorted({watched.target.tag_id for watched in self._watched.values()})

    def delay_ns(self, rule_id: str) -> int:
        """Give the on-delay of a rule."""
        watched = self._watched.get(rule_id)
        return watched.rule.on_delay_ns if watched else 0

    def has_new_rules(self) -> bool:
        """Tell whether some rule has not judged anything yet."""
        return any((w.rule.id, w.rule.version) not in self._primed for w in self._watched.values())

    def cursor(self, head: int) -> int:
        """Give where to go on from; a cursor beyond the head (the historian was restored) rewinds to it."""
        with self._db.session() as session:
            row = session.get(EvaluatorCursor, _CURSOR)
            if row is None:
                row = EvaluatorCursor(id=_CURSOR, position=head)
                session.add(row)
            elif row.position > head:
                log.warning("the historian is at %d, alarms were judged up to %d: rewound", head, row.position)
                self.counters.rewinds += 1
                row.position = head
                beyond = update(Evaluator).where(Evaluator.from_position > head)
                session.execute(beyond.values(from_position=head))
            return row.position

    def step(self, samples: Sequence[tuple[int, AlarmSample]], position: int) -> Step:
        """Judge (tag, sample) in commit order, save all with the cursor `position`."""
        by_tag: dict[int, list[AlarmSample]] = defaultdict(list)
        ahead = self._now_ns() + CLOCK_SKEW_MAX_NS
        for tag, sample in samples:
            if sample.time_ns > ahead:
                self.counters.future += 1
            else:
                by_tag[tag].append(sample)
        touched = [w for w in self._watched.values() if w.target.tag_id in by_tag or self._is_new(w)]
        with self._db.session() as session:
            cursor = session.get(EvaluatorCursor, _CURSOR, with_for_update=True)
            assert cursor is not None, "cursor() comes before the first step"
            done, due = self._judge(session, touched, by_tag)
            cursor.position = max(position, cursor.position)
        self._primed |= {(w.rule.id, w.rule.version) for w in touched}
        self.counters.judged += sum(map(len, by_tag.values()))
        self.counters.transitions += done
        return Step(done, due)

    def save(self, position: int) -> None:
        """Save the cursor alone: up to `position` no sample of a watched tag was left to judge."""
        with self._db.session() as session:
            cursor = session.get(EvaluatorCursor, _CURSOR, with_for_update=True)
            assert cursor is not None, "cursor() comes before the first save"
            cursor.position = max(position, cursor.position)

    def tick(self, rule_ids: Iterable[str]) -> Step:
        """Let delays end where no sample came: the condition held for the whole delay by the platform's clock too."""
        done = 0
        due: dict[str, int | None] = {}
        with self._db.session() as session:
            for rule_id in sorted(rule_ids):
                watched = self._watched.get(rule_id)
                evaluator = session.get(Evaluator, rule_id, with_for_update=True)
                if watched is None or evaluator is None or not self._current(session, watched):
                    continue
                alarm = machine(watched.rule, watched.target, evaluator)
                moved = alarm.on_wake(self._now_ns())
                done += _write(session, watched, moved)
                evaluator.memory = alarm.to_json()
                due[rule_id] = alarm.wake_at()
        self.counters.transitions += done
        return Step(done, due)

    def _is_new(self, watched: Watched) -> bool:
        return (watched.rule.id, watched.rule.version) not in self._primed

    def _judge(
        self, session: Session, touched: Sequence[Watched], by_tag: Mapping[int, Sequence[AlarmSample]]
    ) -> tuple[int, dict[str, int | None]]:
        newest = self._latest([w.target.tag_id for w in touched if self._is_new(w)])
        done = 0
        due: dict[str, int | None] = {}
        for watched in touched:
            if not self._current(session, watched):
                continue
            rule = watched.rule
            evaluator = session.get(Evaluator, rule.id, with_for_update=True)
            alarm = machine(rule, watched.target, evaluator)
            items = by_tag.get(watched.target.tag_id, ())
            if evaluator is None:  # what stands now is judged first; what came before it is not this version's
                first = newest.get(watched.target.tag_id)
                evaluator = Evaluator(rule_id=rule.id, version=rule.version, tenant=rule.tenant)
                evaluator.from_position, evaluator.memory = 0, {}
                session.add(evaluator)
                if first is not None:
                    evaluator.from_position = first.position
                    done += _write(session, watched, alarm.on_input(first, first.time_ns))
            for sample in items:
                if sample.position > evaluator.from_position:
                    done += _write(session, watched, alarm.on_input(sample, sample.time_ns))
            evaluator.memory = alarm.to_json()
            due[rule.id] = alarm.wake_at()
        return done, due

    @staticmethod
    def _current(session: Session, watched: Watched) -> bool:
        """Tell whether the rule is still at the version that was read; a changed one is refreshed first."""
        rule = session.get(Rule, watched.rule.id)
        return rule is not None and rule.version == watched.rule.version and rule.enabled and rule.removed_ns is None


def _write(session: Session, watched: Watched, moved: Iterable[Transition]) -> int:
    count = 0
    for transition in moved:
        apply(session, watched.rule, watched.target, transition)
        count += 1
    return count
