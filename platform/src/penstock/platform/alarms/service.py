"""Limit rules: made, changed (each change a version), removed. Takes effect at the next commit that is judged."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from penstock.platform.alarms.model import Rule, RuleVersion
from penstock.platform.alarms.store import close_standing
from penstock.platform.alarms.targets import target_of
from penstock.platform.kit.access import Principal
from penstock.platform.kit.audit import record
from penstock.platform.kit.db import Database
from penstock.platform.kit.ids import new_id
from penstock.platform.kit.paging import decode_cursor, page_of
from penstock.platform.kit.problems import Problem, invalid, not_found
from penstock.platform.registry.assets import find_asset
from penstock.platform.registry.model import Tag

RULES_MAX = 10_000
"""Rules of a tenant: each is read at every refresh of the evaluators."""


@dataclass(frozen=True, slots=True)
class RuleContent:
    """What a rule says."""

    name: str
    asset: str | None
    property: str | None
    tag: int | None
    comparison: str
    limit: float
    deadband: float
    on_delay_s: float
    severity: int
    message: str
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class RuleView:
    """A rule with the tag that it watches now."""

    row: Rule
    tag_id: int | None


class RuleService:
    """Read and change rules; `on_change` tells the evaluators."""

    def __init__(self, db: Database, on_change: Callable[[], None]) -> None:
        self._db = db
        self._on_change = on_change

    def page(self, tenant: str, limit: int, cursor: str | None) -> tuple[list[RuleView], str | None]:
        """Give a page of rules."""
        query = select(Rule).where(Rule.tenant == tenant, Rule.removed_ns.is_(None)).order_by(Rule.id)
        if cursor:
            query = query.where(Rule.id > decode_cursor(cursor, str)[0])
        with self._db.reading() as session:
            rows, following = page_of(list(session.execute(query.limit(limit + 1)).scalars()), limit, "id")
            return [_view(session, row) for row in rows], following

    def get(self, tenant: str, rule_id: str) -> RuleView:
        """Give a rule, or Problem 404."""
        with self._db.reading() as session:
            return _view(session, _find(session, tenant, rule_id))

    def create(self, by: Principal, content: RuleContent) -> RuleView:
        """Make a rule; Problem 404 for an asset or tag that is not there, 422 for one that has no numbers."""
        with self._db.session() as session:
            count = len(session.execute(select(Rule.id).where(Rule.tenant == by.tenant)).all())
            if count >= RULES_MAX:
                raise Problem(409, "too-many-rules", f"There are {count} rules, the limit. Remove some first.")
            rule = Rule(id=new_id("rul"), tenant=by.tenant, version=0)
            _write(session, by, rule, content)
            session.add(rule)
            session.flush()
            _note(session, by, rule, content)
            record(session, by, "rule.create", object=rule.id, detail=asdict(content))
            view = _view(session, rule)
        self._on_change()
        return view

    def change(self, by: Principal, rule_id: str, changes: dict[str, Any]) -> RuleView:
        """Change a rule: a new version, which begins in normal; a standing alarm of the old one ends."""
        with self._db.session() as session:
            rule = _find(session, by.tenant, rule_id)
            content = RuleContent(**(asdict(_content(rule)) | changes))
            _write(session, by, rule, content)
            who = (by.subject, by.name)
            close_standing(session, rule, now_ns=rule.changed_ns, who=who, comment="the rule was changed")
            _note(session, by, rule, content)
            record(session, by, "rule.change", object=rule.id, detail=changes)
            view = _view(session, rule)
        self._on_change()
        return view

    def remove(self, by: Principal, rule_id: str) -> None:
        """Remove a rule; its alarms and their journal stay."""
        now = time.time_ns()
        with self._db.session() as session:
            rule = _find(session, by.tenant, rule_id)
            close_standing(session, rule, now_ns=now, who=(by.subject, by.name), comment="the rule was removed")
            rule.removed_ns, rule.enabled = now, False
            record(session, by, "rule.remove", object=rule.id)
        self._on_change()


def _find(session: Session, tenant: str, rule_id: str) -> Rule:
    query = select(Rule).where(Rule.tenant == tenant, Rule.id == rule_id, Rule.removed_ns.is_(None))
    rule = session.execute(query).scalar_one_or_none()
    if rule is None:
        raise not_found(what="rule", identifier=rule_id)
    return rule


def _write(session: Session, by: Principal, rule: Rule, content: RuleContent) -> None:
    by_tag, by_property = content.tag is not None, content.asset is not None and content.property is not None
    if by_tag == by_property or (by_tag and (content.asset or content.property)):
        raise invalid(detail="Say what the rule watches: either `tag`, or both `asset` and `property`.")
    if by_tag:
        _check_tag(session, by.tenant, content.tag or 0)
        rule.asset_id, rule.property, rule.tag_id = None, None, content.tag
    else:
        asset = find_asset(session, by.tenant, content.asset or "")
        rule.asset_id, rule.property, rule.tag_id = asset.id, content.property, None
    rule.name, rule.comparison, rule.limit = content.name, content.comparison, content.limit
    rule.deadband, rule.on_delay_ns = content.deadband, round(content.on_delay_s * 1e9)
    rule.severity, rule.message, rule.enabled = content.severity, content.message, content.enabled
    rule.author, rule.author_name, rule.changed_ns = by.subject, by.name, time.time_ns()
    rule.version += 1


def _check_tag(session: Session, tenant: str, tag_id: int) -> None:
    tag = session.execute(select(Tag).where(Tag.tenant == tenant, Tag.id == tag_id)).scalar_one_or_none()
    if tag is None:
        raise not_found(what="tag", identifier=tag_id)
    if tag.type == "string":
        raise invalid(detail=f"{tag.key} is a string; a limit needs a number.")


def _note(session: Session, by: Principal, rule: Rule, content: RuleContent) -> None:
    version = RuleVersion(rule_id=rule.id, version=rule.version, tenant=rule.tenant, content=asdict(content))
    version.author, version.changed_ns = by.subject, rule.changed_ns
    session.add(version)


def _content(rule: Rule) -> RuleContent:
    return RuleContent(
        name=rule.name,
        asset=rule.asset_id,
        property=rule.property,
        tag=rule.tag_id,
        comparison=rule.comparison,
        limit=rule.limit,
        deadband=rule.deadband,
        on_delay_s=rule.on_delay_ns / 1e9,
        severity=rule.severity,
        message=rule.message,
        enabled=rule.enabled,
    )


def _view(session: Session, rule: Rule) -> RuleView:
    target = target_of(session, rule)
    return RuleView(rule, target.tag_id if target else rule.tag_id)
