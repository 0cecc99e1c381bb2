"""What the API answers, as frozen values. Unknown keys are ignored, so that an older client reads a newer platform.

Times are int ns UTC; `status` is the OPC UA status code, `quality` its first two bits in words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from penstock.core.times import parse_rfc3339_ns

Scalar = float | int | bool | str | None
SPECIAL_FLOATS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def moment(time_ns: int) -> datetime:
    """Give an aware datetime (µs; the last three digits of the ns are cut)."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_ns // 1000)


def _time(value: Any) -> int | None:
    if value is None or isinstance(value, int):
        return value
    return parse_rfc3339_ns(value)


class Answer:
    """Base: read a JSON object by field name; `_times` names the fields that hold RFC 3339 text."""

    __slots__ = ()
    _times: tuple[str, ...] = ()

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self:
        """Build from the API's JSON object."""
        known = {f.name for f in fields(cls)}  # type: ignore[arg-type]
        values = {k: (_time(v) if k in cls._times else v) for k, v in body.items() if k in known}
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Property(Answer):
    """One property of an asset: kind attribute, measurement, transform or metric."""

    name: str
    kind: str = "measurement"
    type: str = "float64"
    unit: str | None = None
    tag: int | None = None
    value: Scalar = None
    expression: str | None = None


@dataclass(frozen=True, slots=True)
class Asset(Answer):
    """An asset with its ISA-95 path; `properties` is filled by `retrieve`, by `list` where the platform sends them."""

    id: str
    path: str
    name: str = ""
    type: str | None = None
    description: str = ""
    parent: str | None = None
    type_revision: int | None = None
    properties: tuple[Property, ...] = ()

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Asset:
        """Build from the API's JSON object."""
        properties = tuple(Property.of(p) for p in body.get("properties") or ())
        kept = {f.name for f in fields(cls)} - {"properties"}
        return cls(**{k: v for k, v in body.items() if k in kept}, properties=properties)

    def property(self, name: str) -> Property:
        """Give one property; KeyError names those that exist."""
        for candidate in self.properties:
            if candidate.name == name:
                return candidate
        message = f"{self.path} has no property {name!r}; it has {', '.join(p.name for p in self.properties) or 'none'}"
        raise KeyError(message)


@dataclass(frozen=True, slots=True)
class FailureMode(Answer):
    """A way in which machines of a type fail.

    `signs`: property → "rises", "falls", "departs" (either way) or "unsteady" (its spread grows), the most telling
    first; `notice_h`: hours from the order of a repair to done, None where nobody said.
    """

    part: str
    signs: Mapping[str, str]
    description: str = ""
    action: str = ""
    notice_h: float | None = None


@dataclass(frozen=True, slots=True)
class AssetType(Answer):
    """A revision of an asset type; `properties`: name → kind, type, unit, signal, description, default, expression."""

    name: str
    revision: int = 1
    description: str = ""
    properties: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    failure_modes: Mapping[str, FailureMode] = field(default_factory=dict)

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> AssetType:
        """Build from the API's JSON object."""
        modes = {name: FailureMode.of(mode) for name, mode in (body.get("failure_modes") or {}).items()}
        kept = {f.name for f in fields(cls)} - {"failure_modes"}
        return cls(**{k: v for k, v in body.items() if k in kept}, failure_modes=modes)


@dataclass(frozen=True, slots=True)
class TreeNode:
    """A node of the ISA-95 hierarchy; `asset` is the id where an asset stands there."""

    path: str
    name: str
    asset: str | None = None
    children: tuple[TreeNode, ...] = ()

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> TreeNode:
        """Build from the API's nested JSON."""
        children = tuple(cls.of(c) for c in body.get("children") or ())
        return cls(body["path"], body.get("name") or body["path"].rsplit("/", 1)[-1], body.get("asset"), children)

    def walk(self) -> Iterator[TreeNode]:
        """Yield this node and all below, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Tag(Answer):
    """One time series."""

    id: int
    key: str
    name: str = ""
    path: str | None = None
    type: str = "float64"
    unit: str | None = None
    description: str = ""
    asset: str | None = None
    property: str | None = None
    owner: str | None = None
    rate_hz: float | None = None
    late_after_ns: int | None = None


@dataclass(frozen=True, slots=True)
class ComputedTag:
    """A computed tag to declare: the asset by id or path or as Asset, and the property of it that the tag feeds."""

    asset: str | Asset
    property: str
    type: str = "float64"
    unit: str | None = None
    description: str = ""


def scalar_of(value: Any, value_type: str) -> Scalar:
    """Undo JSON's lack of NaN and infinities, and of a difference between 1 and 1.0."""
    if value is None or value_type in ("string", "bool", "int64"):
        return value  # type: ignore[no-any-return]
    return SPECIAL_FLOATS[value] if isinstance(value, str) else float(value)


@dataclass(frozen=True, slots=True)
class Latest(Answer):
    """The newest sample of a tag by source time. `age_s` at the moment of the answer; `time` None: nothing yet."""

    tag: int
    key: str
    time: int | None = None
    value: Scalar = None
    status: int = 0
    quality: str = "good"
    arrival: int | None = None
    age_s: float | None = None
    position: int | None = None
    late: bool = False
    future: bool = False
    _times = ("time", "arrival")

    @property
    def at(self) -> datetime | None:
        """Give the source time as an aware datetime."""
        return None if self.time is None else moment(self.time)


@dataclass(frozen=True, slots=True)
class Rule(Answer):
    """A limit rule. `version` rises with each change."""

    id: str
    name: str
    comparison: str
    limit: float
    asset: str | None = None
    property: str | None = None
    tag: int | None = None
    deadband: float = 0.0
    on_delay_s: float = 0.0
    severity: int = 500
    message: str = ""
    version: int = 1
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Alarm(Answer):
    """An alarm in its ISA-18.2 state: `raised` when its round began, `activated` when it became active last."""

    id: str
    state: str
    rule: str | None = None
    asset: str | None = None
    tag: int | None = None
    raised: int | None = None
    activated: int | None = None
    acknowledged: int | None = None
    acknowledged_by: str | None = None
    cleared: int | None = None
    value: Scalar = None
    limit: float | None = None
    severity: int = 500
    message: str = ""
    _times = ("raised", "activated", "acknowledged", "cleared")


@dataclass(frozen=True, slots=True)
class Me(Answer):
    """Who the token speaks for."""

    subject: str
    name: str = ""
    tenant: str = ""
    scopes: tuple[str, ...] = ()
    kind: str = ""

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Me:
        """Build from the API's JSON object."""
        kept = {k: body[k] for k in ("subject", "name", "tenant", "kind") if body.get(k) is not None}
        return cls(**kept, scopes=tuple(body.get("scopes") or ()))


@dataclass(frozen=True, slots=True)
class Gateway(Answer):
    """A gateway as the platform sees it."""

    id: str
    name: str
    state: str = ""
    last_seen: int | None = None
    session: int | None = None
    epoch: str | None = None
    head: int | None = None
    watermark: int | None = None
    lag_batches: int | None = None
    _times = ("last_seen",)


@dataclass(frozen=True, slots=True)
class RegisteredApp(Answer):
    """An app in the platform's registry; the secret appears once, at creation or renewal."""

    id: str
    name: str = ""
    url: str = ""
    description: str = ""
    redirect_uris: tuple[str, ...] | list[str] = ()
    scopes: tuple[str, ...] | list[str] = ()
    user_scopes: tuple[str, ...] | list[str] = ()
    client_id: str | None = None
    client_secret: str | None = None

    def __repr__(self) -> str:
        return f"RegisteredApp(id={self.id!r}, url={self.url!r}, client_id={self.client_id!r})"


@dataclass(frozen=True, slots=True)
class WriteResult(Answer):
    """What a write did: its commit position, rows stored, rows that were there already, rows that it replaced."""

    position: int
    stored: int = 0
    duplicates: int = 0
    erased: int = 0


@dataclass(frozen=True, slots=True)
class DeleteResult(Answer):
    """What a deletion did: its commit position, rows that are gone."""

    position: int
    erased: int = 0


@dataclass(frozen=True, slots=True)
class Erasure:
    """Tell a follower that rows of `tag` with start <= time < end (ns) and a position below `position` are gone."""

    tag: int
    start: int
    end: int
    position: int

    @classmethod
    def all_of(cls, columns: Mapping[str, Sequence[Any]]) -> tuple[Erasure, ...]:
        """Build from the API's columns."""
        spans = ([parse_rfc3339_ns(each) for each in columns[name]] for name in ("start", "end"))
        return tuple(cls(*row) for row in zip(columns["tag"], *spans, columns["position"], strict=True))
