"""Tables of the registry. A tag's id is the historian's key and is never used again."""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from penstock.platform.kit.db import Base, BigId

ID = String(40)
NAME = String(256)
PATH = String(512)
KEY = String(900)


class AssetType(Base):
    """One revision of an asset type; never changed once it is there."""

    __tablename__ = "asset_types"
    __table_args__ = (UniqueConstraint("tenant", "name", "revision"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    tenant: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    name: Mapped[str] = mapped_column(NAME)
    revision: Mapped[int] = mapped_column(Integer)
    description: Mapped[str] = mapped_column(Text, default="")
    properties: Mapped[dict[str, dict[str, Any]]] = mapped_column(JSON)
    failure_modes: Mapped[dict[str, dict[str, Any]]] = mapped_column(JSON, server_default="{}")
    created_ns: Mapped[int] = mapped_column(BigInteger)


class Asset(Base):
    """A thing of the plant at an ISA-95 path. `origin` says who owns the entry: plant, device or api."""

    __tablename__ = "assets"
    __table_args__ = (UniqueConstraint("tenant", "path"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    tenant: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    path: Mapped[str] = mapped_column(PATH)
    name: Mapped[str] = mapped_column(NAME)
    description: Mapped[str] = mapped_column(Text, default="")
    type_id: Mapped[str | None] = mapped_column(ForeignKey("asset_types.id"))
    attributes: Mapped[dict[str, Any]] = mapped_column(JSON)
    origin: Mapped[str] = mapped_column(String(10))
    created_ns: Mapped[int] = mapped_column(BigInteger)
    changed_ns: Mapped[int] = mapped_column(BigInteger)


class HierarchyName(Base):
    """The display name of a path in the hierarchy."""

    __tablename__ = "hierarchy_names"

    tenant: Mapped[str] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    path: Mapped[str] = mapped_column(PATH, primary_key=True)
    name: Mapped[str] = mapped_column(NAME)


class Tag(Base):
    """One time series. A change of value type retires the tag and makes a new one under the same key."""

    __tablename__ = "tags"
    __table_args__ = (
        Index(
            "uq_tags_active_key", "tenant", "key", unique=True,
            sqlite_where=text("active = 1"), postgresql_where=text("active"),
        ),
        {"sqlite_autoincrement": True},
    )  # fmt: skip

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    tenant: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    key: Mapped[str] = mapped_column(KEY)
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    name: Mapped[str] = mapped_column(NAME)
    type: Mapped[str] = mapped_column(String(10))
    unit: Mapped[str | None] = mapped_column(String(64))
    description: Mapped[str] = mapped_column(Text, default="")
    owner: Mapped[str] = mapped_column(ID, index=True)
    gateway_id: Mapped[str | None] = mapped_column(ID, index=True)
    device: Mapped[str | None] = mapped_column(String(128))
    path: Mapped[str | None] = mapped_column(PATH)
    file_hash: Mapped[str | None] = mapped_column(String(64))
    rate_hz: Mapped[float | None] = mapped_column(Float)
    late_after_ns: Mapped[int | None] = mapped_column(BigInteger)
    created_ns: Mapped[int] = mapped_column(BigInteger)


class Binding(Base):
    """The property of an asset that a tag feeds; waits with the key alone until the tag is there."""

    __tablename__ = "bindings"

    asset_id: Mapped[str] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), primary_key=True)
    property: Mapped[str] = mapped_column(NAME, primary_key=True)
    tenant: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    tag_key: Mapped[str] = mapped_column(KEY, index=True)
    tag_id: Mapped[int | None] = mapped_column(ForeignKey("tags.id"), index=True)
    origin: Mapped[str] = mapped_column(String(10))


class TagIndex(Base):
    """What a gateway's local index means: (gateway, epoch, index) → tag."""

    __tablename__ = "tag_indexes"

    gateway_id: Mapped[str] = mapped_column(ID, primary_key=True)
    epoch: Mapped[str] = mapped_column(String(32), primary_key=True)
    index: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    tenant: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    tag_id: Mapped[int] = mapped_column(ForeignKey("tags.id"))
