"""Ending a browser's login: its session, and every token that apps got through it."""

from sqlalchemy import update
from sqlalchemy.orm import Session

from penstock.platform.identity.model import BrowserSession, TokenFamily, User
from penstock.platform.kit.audit import Actor, record


def end_login(session: Session, login: BrowserSession, now_ns: int, *, by: str) -> None:
    """Delete the session, revoke its token families and write it down; `by` is the platform or an app's id."""
    families = update(TokenFamily).where(TokenFamily.session_hash == login.id_hash)
    session.execute(families.where(TokenFamily.revoked_ns.is_(None)).values(revoked_ns=now_ns))
    user = session.get_one(User, login.user_id)
    actor = Actor(user.tenant, user.id, user.name)
    record(session, actor, "logout", object=user.id, detail={"by": by})
    session.delete(login)
