"""Asset types: versioned, immutable once published."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from penstock.core.config_file import dotted
from penstock.core.failure_modes import sign_findings
from penstock.platform.kit.access import Principal
from penstock.platform.kit.audit import Actor, record
from penstock.platform.kit.db import Database
from penstock.platform.kit.ids import new_id
from penstock.platform.kit.paging import decode_cursor, page_of
from penstock.platform.kit.problems import Problem, invalid, not_found
from penstock.platform.registry.model import AssetType


@dataclass(frozen=True, slots=True)
class TypeContent:
    """What a revision says; `failure_modes` keep the order of their signs, the most telling first."""

    description: str
    properties: Mapping[str, Mapping[str, Any]]
    failure_modes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class TypeService:
    """Publish and read asset types."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def publish(
        self, by: Principal | Actor, name: str, revision: int, *, content: TypeContent
    ) -> tuple[AssetType, bool]:
        """Publish a revision; give it and whether it is new.

        Problem 409 when it is there with other content, 422 for a sign that names no property of it that can move.
        """
        with self._db.session() as session:
            return publish(session, by, name, revision, content=content)

    def page(self, tenant: str, limit: int, cursor: str | None) -> tuple[list[AssetType], str | None]:
        """Give a page of all revisions, by name and revision."""
        query = select(AssetType).where(AssetType.tenant == tenant).order_by(AssetType.name, AssetType.revision)
        if cursor:
            name, revision = decode_cursor(cursor, str, int)
            later = (AssetType.name == name) & (AssetType.revision > revision)
            query = query.where((AssetType.name > name) | later)
        with self._db.reading() as session:
            return page_of(list(session.execute(query.limit(limit + 1)).scalars()), limit, "name", "revision")

    def get(self, tenant: str, name: str, revision: int | None = None) -> AssetType:
        """Give a revision of a type, the newest when none is named; Problem 404."""
        with self._db.reading() as session:
            return find_type(session, tenant, name, revision)


def publish(
    session: Session,
    by: Principal | Actor,
    name: str,
    revision: int,
    *,
    content: TypeContent,
) -> tuple[AssetType, bool]:
    """Publish a revision in the caller's transaction; see TypeService."""
    same = (AssetType.tenant == by.tenant, AssetType.name == name)
    known = session.execute(select(AssetType).where(*same, AssetType.revision == revision)).scalar_one_or_none()
    if known is not None:
        if _says(known, content):
            return known, False
        detail = f"Revision {revision} of {name} is published with other content: give the change a new revision."
        raise Problem(409, "type-published", detail)
    newest = session.execute(select(func.max(AssetType.revision)).where(*same)).scalar_one()
    if newest is not None and revision < newest:
        detail = f"{name} is at revision {newest}; a new one must be higher."
        raise Problem(409, "type-published", detail)
    _check_signs(content)
    made = AssetType(id=new_id("typ"), tenant=by.tenant, name=name, revision=revision, description=content.description)
    made.properties = {key: dict(spec) for key, spec in content.properties.items()}
    made.failure_modes = {key: dict(mode) for key, mode in content.failure_modes.items()}
    made.created_ns = time.time_ns()
    session.add(made)
    session.flush()
    record(session, by, "asset-type.publish", object=f"{name}@{revision}")
    return made, True


def _says(known: AssetType, content: TypeContent) -> bool:
    """Tell whether a published revision has this content: in signs the order counts, and JSON keeps it."""
    modes = ({key: dict(mode) for key, mode in said.items()} for said in (known.failure_modes, content.failure_modes))
    same_modes = len({json.dumps(said) for said in modes}) == 1
    return same_modes and (known.description, known.properties) == (content.description, dict(content.properties))


def _check_signs(content: TypeContent) -> None:
    properties = {name: (str(spec["kind"]), str(spec["type"])) for name, spec in content.properties.items()}
    signs = {mode: tuple(spec["signs"]) for mode, spec in content.failure_modes.items()}
    for message, path in sign_findings(signs, properties):
        raise invalid(detail=f"{dotted(path)}: {message}")


def find_type(session: Session, tenant: str, name: str, revision: int | None = None) -> AssetType:
    """Give a revision of a type, the newest when none is named; Problem 404."""
    query = select(AssetType).where(AssetType.tenant == tenant, AssetType.name == name)
    if revision is not None:
        query = query.where(AssetType.revision == revision)
    found = session.execute(query.order_by(AssetType.revision.desc())).scalars().first()
    if found is None:
        raise not_found(what="asset type", identifier=name)
    return found
