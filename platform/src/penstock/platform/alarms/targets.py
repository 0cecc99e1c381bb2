"""What each rule watches: its tag, or the tag that feeds its property at this moment."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from penstock.core.values import ValueType
from penstock.platform.alarms.model import Rule
from penstock.platform.alarms.store import Target
from penstock.platform.registry.model import Binding, Tag


def targets(session: Session, rules: Iterable[Rule]) -> dict[str, Target]:
    """Give the target of each rule that has one; a property that no tag feeds has none (yet)."""
    found: dict[str, Target] = {}
    for rule in rules:
        target = target_of(session, rule)
        if target is not None:
            found[rule.id] = target
    return found


def target_of(session: Session, rule: Rule) -> Target | None:
    """Give what the rule watches; a string has no limit and is no target."""
    if rule.tag_id is not None:
        query = select(Tag, Binding.asset_id).outerjoin(Binding, Binding.tag_id == Tag.id)
        query = query.where(Tag.id == rule.tag_id).order_by(Binding.asset_id)
    else:
        query = select(Tag, Binding.asset_id).join(Binding, Binding.tag_id == Tag.id)
        query = query.where(Binding.asset_id == rule.asset_id, Binding.property == rule.property)
    row = session.execute(query.where(Tag.tenant == rule.tenant)).first()
    if row is None or row[0].type == ValueType.STRING:
        return None
    return Target(row[0].id, rule.asset_id or row[1])
