"""The tag directory: what each sample's tag is, answered from memory, made and changed in the relational store.

`mapping`, `by_id`, `by_key`, `of_asset` and `all` touch memory only (mapping: after its first call) and may be called
on the event loop. `register`, `refresh` and `reload` use the database: call them in a worker thread.

Whoever changes tags or bindings in the store says which tags afterwards (`refresh`): the time of a change follows what
it touched, not how many tags there are. Reading and exchanging is one at a time, so that an older state never comes
after a newer one.
"""

import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy import Row, insert, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from penstock.core.address import IsaPath
from penstock.core.dictionary import DictionaryEntry
from penstock.platform.kit.db import Database
from penstock.platform.kit.problems import Problem, busy
from penstock.platform.kit.schemas import without_controls
from penstock.platform.registry.binding import bind_device_tags, parted
from penstock.platform.registry.known import Known
from penstock.platform.registry.known import TagRef as TagRef
from penstock.platform.registry.model import Binding, Tag, TagIndex

MAPPINGS_KEPT = 256  # (gateway, epoch) pairs in memory; an older one is read again from the store
REGISTRATION_WAIT_S = 5.0  # a gateway that repeats itself is told to wait before it gives up at 10 s


class TagDirectory:
    """Answer what a tag is; make tags from the dictionaries of gateways."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._registering = threading.Lock()
        self.known = Known()
        """Exchanged, never changed."""
        self._mappings: OrderedDict[tuple[str, str], _EpochTags] = OrderedDict()

    def reload(self) -> None:
        """Read every tag from the store; at start, and after a change of the plant folder."""
        with self._reading:
            with self._db.reading() as session:
                known = Known().having(*_read(session, None))
            with self._lock:
                self.known = known
                self._mappings.clear()

    def refresh(self, ids: Collection[int]) -> None:
        """Read these tags anew, and what they feed; call it after the commit that changed them."""
        if not ids:
            return
        with self._reading:
            with self._db.reading() as session:
                changed = _read(session, ids)
            with self._lock:
                self.known = self.known.having(*changed)
                for place in [place for place, kept in self._mappings.items() if not kept.ids.isdisjoint(ids)]:
                    del self._mappings[place]

    def register(
        self, tenant: str, gateway: str, epoch: str, entries: Sequence[DictionaryEntry]
    ) -> Mapping[int, TagRef]:
        """Store what the gateway's indexes mean and give the whole mapping of the epoch.

        Unknown keys become tags owned by the gateway, at once bound to the asset their device names. A key that
        another gateway or app owns keeps its owner: compare `TagRef.owner` before a write. Raise Problem 409
        `dictionary-conflict` when an index is given to another key than before. One registration runs at a time;
        who waits too long for it gets Problem 503 `busy`.
        """
        for entry in entries:
            if without_controls(entry.key) != entry.key:
                raise Problem(422, "invalid", f"The key {entry.key!r} of index {entry.index} has control characters.")
        with self._one_registration():
            with self._db.session() as session:
                tags = tags_by_key(session, tenant, {entry.key for entry in entries})
                touched = {tag.id for tag in tags.values()}
                _retire_changed(session, tags, entries, gateway)
                tags |= _make_missing(session, tenant, gateway, [entry for entry in entries if entry.key not in tags])
                touched |= {tag.id for tag in tags.values()}
                for entry in entries:
                    tags[entry.key] = _merge(session, tags[entry.key], entry, gateway)
                    touched.add(tags[entry.key].id)
                session.flush()
                touched |= bind_device_tags(session, tenant, [tag for tag in tags.values() if tag.owner == gateway])
                _store_indexes(session, tenant, gateway, epoch, [(entry.index, tags[entry.key]) for entry in entries])
            self.refresh(touched)
            with self._lock:
                self._mappings.pop((gateway, epoch), None)  # it has indexes more, of tags that it did not hold
            return self.mapping(gateway, epoch)

    @contextmanager
    def _one_registration(self) -> Iterator[None]:
        """Keep a gateway's repeated request from doing the same work beside the first."""
        if not self._registering.acquire(timeout=REGISTRATION_WAIT_S):
            msg = "Another dictionary is being registered; send this one again."
            raise busy(msg)
        try:
            yield
        finally:
            self._registering.release()

    def mapping(self, gateway: str, epoch: str) -> Mapping[int, TagRef]:
        """Give index → tag of the gateway's epoch; empty when it sent no dictionary."""
        with self._lock:
            kept = self._mappings.get((gateway, epoch))
            if kept is not None:
                self._mappings.move_to_end((gateway, epoch))
                return kept.by_index
        known, rows = self.known, self._indexes(gateway, epoch)
        fresh = {tag for _, tag, tenant in rows if tag not in known.tags.get(tenant, {})}
        if fresh:  # a dictionary is stored that the directory has not come to yet
            self.refresh(fresh)
            known = self.known
        made = MappingProxyType({index: known.tags[tenant][tag] for index, tag, tenant in rows})
        with self._lock:
            if self.known is known and not fresh:  # else it may be of before a change that has let go of mappings
                self._mappings[(gateway, epoch)] = _EpochTags(made, frozenset(ref.id for ref in made.values()))
                if len(self._mappings) > MAPPINGS_KEPT:
                    self._mappings.popitem(last=False)
        return made

    def _indexes(self, gateway: str, epoch: str) -> list[tuple[int, int, str]]:
        query = select(TagIndex.index, TagIndex.tag_id, TagIndex.tenant)
        with self._db.reading() as session:
            found = session.execute(query.where(TagIndex.gateway_id == gateway, TagIndex.epoch == epoch))
            return [(index, tag, tenant) for index, tag, tenant in found]

    def by_id(self, tenant: str, ids: Iterable[int]) -> dict[int, TagRef]:
        """Give the tags of the tenant among the ids; what is absent from the answer is a 404 for the caller."""
        tags = self.known.tags.get(tenant, {})
        return {tag: tags[tag] for tag in ids if tag in tags}

    def by_key(self, tenant: str, key: str) -> TagRef | None:
        """Give the active tag of that key."""
        known = self.known
        tag = known.keys.get((tenant, key))
        return None if tag is None else known.tags[tenant][tag]

    def of_asset(self, tenant: str, asset_id: str) -> list[TagRef]:
        """Give the tags bound to the asset; empty when there are none or the asset is another tenant's."""
        known = self.known
        return [known.tags[tenant][tag] for tag in known.assets.get((tenant, asset_id), ())]

    def all(self, tenant: str) -> list[TagRef]:
        """Give every tag of the tenant."""
        return list(self.known.tags.get(tenant, {}).values())


@dataclass(frozen=True, slots=True)
class _EpochTags:
    """What the indexes of an epoch mean, and of which tags that tells."""

    by_index: Mapping[int, TagRef]
    ids: frozenset[int]


def _retire_changed(session: Session, tags: dict[str, Tag], entries: Sequence[DictionaryEntry], gateway: str) -> None:
    """Retire at once the tags whose key now means something else: the new ones need the key to be free."""
    for key, entry in {entry.key: entry for entry in reversed(entries)}.items():
        tag = tags.get(key)
        if tag is not None and tag.owner == gateway and changed_meaning(tag, str(entry.type), entry.unit):
            tag.active = False
            del tags[key]
    session.flush()


def _make_missing(session: Session, tenant: str, gateway: str, entries: Sequence[DictionaryEntry]) -> dict[str, Tag]:
    """Make tags in one statement and read them back: an insert that gives the ids goes row by row in SQLite."""
    rows: dict[str, dict[str, Any]] = {}
    for entry in entries:  # the ids follow the order of the dictionary
        if entry.key not in rows:
            rows[entry.key] = _new_tag(tenant, gateway, entry)
    if not rows:
        return {}
    session.execute(insert(Tag), list(rows.values()))
    return tags_by_key(session, tenant, set(rows))


def _merge(session: Session, tag: Tag, entry: DictionaryEntry, gateway: str) -> Tag:
    if tag.owner != gateway:
        return tag
    if changed_meaning(tag, str(entry.type), entry.unit):  # the key stands twice in one dictionary
        tag.active = False
        session.flush()
        return _make_missing(session, tag.tenant, gateway, [entry])[entry.key]
    for name, value in _words(entry).items():
        if getattr(tag, name) != value:
            setattr(tag, name, value)
    return tag


def _new_tag(tenant: str, gateway: str, entry: DictionaryEntry) -> dict[str, Any]:
    fixed = {"tenant": tenant, "key": entry.key, "owner": gateway, "gateway_id": gateway, "type": str(entry.type)}
    return {**fixed, "active": True, "created_ns": time.time_ns(), **_words(entry)}


def _words(entry: DictionaryEntry) -> dict[str, Any]:
    """Give what a gateway may say anew about a tag."""
    return {
        "name": without_controls(entry.name),
        "unit": entry.unit or None,
        "description": without_controls(entry.description),
        "device": without_controls(entry.device),
        "path": _path(entry.asset),
        "file_hash": entry.file_hash,
        "rate_hz": entry.rate_hz,
        "late_after_ns": entry.late_after_ns,
    }


def changed_meaning(tag: Tag, type: str, unit: str | None) -> bool:
    """Tell whether old samples would be misread under the new type and unit: then it is another series."""
    return tag.type != type or (tag.unit is not None and tag.unit != (unit or None))


def _path(text: str | None) -> str | None:
    """Give the asset path of a dictionary, None where it is no ISA-95 path: the tag then stands alone."""
    try:
        return None if text is None else str(IsaPath.parse(text))
    except ValueError:
        return None


def tags_by_key(session: Session, tenant: str, keys: set[str]) -> dict[str, Tag]:
    """Give the tenant's active tags under these keys."""
    found: dict[str, Tag] = {}
    for chunk in parted(keys):
        query = select(Tag).where(Tag.tenant == tenant, Tag.active, Tag.key.in_(chunk))
        found.update((tag.key, tag) for tag in session.execute(query).scalars())
    return found


def _store_indexes(session: Session, tenant: str, gateway: str, epoch: str, pairs: Iterable[tuple[int, Tag]]) -> None:
    query = select(TagIndex, Tag.key).join(Tag, Tag.id == TagIndex.tag_id)
    query = query.where(TagIndex.gateway_id == gateway, TagIndex.epoch == epoch)
    known = {row.index: (row, key) for row, key in session.execute(query)}
    for index, tag in pairs:
        if index not in known:
            session.add(TagIndex(gateway_id=gateway, epoch=epoch, index=index, tenant=tenant, tag_id=tag.id))
            continue
        row, key = known[index]
        if key != tag.key:
            detail = f"Index {index} of epoch {epoch} means {key}, now {tag.key}: take a new index or open a new epoch."
            raise Problem(409, "dictionary-conflict", detail, index=index)
        row.tag_id = tag.id


_COLUMNS: tuple[InstrumentedAttribute[Any], ...] = (
    Tag.id, Tag.key, Tag.type, Tag.tenant, Tag.owner, Tag.late_after_ns, Tag.rate_hz, Tag.gateway_id, Tag.unit,
    Tag.created_ns, Tag.active,
)  # fmt: skip


def _read(session: Session, ids: Collection[int] | None) -> tuple[list[TagRef], dict[int, list[str]]]:
    """Give tags, None: every one, and the assets that each of them feeds, in order."""
    refs: list[TagRef] = []
    bound: dict[int, list[str]] = defaultdict(list)
    of_tags = select(*_COLUMNS).order_by(Tag.id)
    of_bindings = select(Binding.tag_id, Binding.asset_id).where(Binding.tag_id.is_not(None)).order_by(Binding.asset_id)
    for part in (None,) if ids is None else parted(ids):
        tags, bindings = of_tags, of_bindings
        if part is not None:
            tags, bindings = tags.where(Tag.id.in_(part)), bindings.where(Binding.tag_id.in_(part))
        for tag_id, asset_id in session.execute(bindings):
            assert tag_id is not None
            bound[tag_id].append(asset_id)
        refs += [_ref(row, next(iter(bound.get(row.id, ())), None)) for row in session.execute(tags)]
    return refs, bound


def _ref(tag: Row[Any], asset_id: str | None) -> TagRef:
    return TagRef(
        id=tag.id,
        key=tag.key,
        value_type=tag.type,
        tenant=tag.tenant,
        owner=tag.owner,
        late_after_ns=tag.late_after_ns,
        rate_hz=tag.rate_hz,
        asset_id=asset_id,
        gateway_id=tag.gateway_id,
        unit=tag.unit,
        created_ns=tag.created_ns,
        active=tag.active,
    )
