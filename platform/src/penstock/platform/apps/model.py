"""Tables of the app registry."""

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from penstock.platform.kit.db import Base

NAME = String(200)


class App(Base):
    """An app of the start page; its id is chosen by its maker, one in a tenant."""

    __tablename__ = "apps"
    __table_args__ = (Index("ix_apps_client", "client_id", unique=True),)

    tenant: Mapped[str] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    id: Mapped[str] = mapped_column(String(63), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.id"))
    name: Mapped[str] = mapped_column(NAME)
    url: Mapped[str] = mapped_column(String(500))
    description: Mapped[str] = mapped_column(String(2000), default="")
    created_ns: Mapped[int] = mapped_column(BigInteger)
    hidden: Mapped[bool] = mapped_column(Boolean, default=False)
