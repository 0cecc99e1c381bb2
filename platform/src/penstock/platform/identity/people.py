"""People: users, their passwords, one-time login links and browser sessions."""

import time
from dataclasses import dataclass

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from penstock.platform.identity.logins import end_login
from penstock.platform.identity.model import BrowserSession, LoginLink, Tenant, TokenFamily, User
from penstock.platform.identity.passwords import (
    PASSWORD_LENGTH_MAX,
    PASSWORD_LENGTH_MIN,
    digest,
    hash_password,
    new_secret,
    password_matches,
)
from penstock.platform.identity.roles import SCOPES_OF_ROLE, Role
from penstock.platform.identity.throttle import Throttle
from penstock.platform.kit.access import Principal
from penstock.platform.kit.audit import Actor, record
from penstock.platform.kit.db import Database
from penstock.platform.kit.ids import new_id
from penstock.platform.kit.problems import Problem, conflict, not_found

DEFAULT_TENANT = "main"
FIRST_ADMIN = "admin"
SESSION_S = 12 * 3600
LINK_S = 24 * 3600
SESSIONS_MAX = 20  # a person; the oldest goes
_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Login:
    """What a browser gets at a login: the cookie's secret."""

    cookie: str
    user_id: str


class People:
    """Make users, log them in and out."""

    def __init__(self, db: Database, throttle: Throttle) -> None:
        self._db = db
        self._throttle = throttle

    def log_in(self, name: str, password: str, address: str) -> Login | None:
        """Open a session when the password is right, else None after the same time; Problem 429 after ten tries."""
        self._throttle.enter("login", name.casefold(), address)
        with self._db.reading() as session:
            user = _named(session, name)
        right = password_matches(user.password_hash if user else None, password[:PASSWORD_LENGTH_MAX])
        with self._db.session() as session:
            if user is None or not right:
                self._note_failure(session, user, name, address)
                return None
            login = _open_session(session, user)
            record(session, _actor(user), "login", object=user.id, detail={"by": "password", "address": address})
        return login

    def log_in_by_link(self, token: str, address: str) -> Login | None:
        """Open a session for a link's token, which is used up by it; None when it is not good (any more)."""
        self._throttle.check("link", address)
        now = time.time_ns()
        with self._db.session() as session:
            link = session.get(LoginLink, digest(token))
            user = session.get(User, link.user_id) if link and link.expires_ns > now else None
            if link is None or user is None:
                self._throttle.count("link", address)
                return None
            session.delete(link)
            login = _open_session(session, user)
            record(session, _actor(user), "login", object=user.id, detail={"by": "link", "address": address})
        return login

    def log_out(self, cookie: str) -> None:
        """End the session and every token that apps got through it."""
        now = time.time_ns()
        with self._db.session() as session:
            row = session.get(BrowserSession, digest(cookie))
            if row is None:
                return
            end_login(session, row, now, by="platform")

    def of_session(self, cookie: str) -> tuple[User, BrowserSession] | None:
        """Give the person behind a cookie, if the session is alive."""
        with self._db.reading() as session:
            row = session.get(BrowserSession, digest(cookie))
            user = session.get(User, row.user_id) if row and row.expires_ns > time.time_ns() else None
            if row is None or user is None or user.generation != row.generation:
                return None
            return user, row

    def create(self, by: Principal | Actor, name: str, role: Role, password: str | None = None) -> User:
        """Make a user in the caller's tenant; Problem 409 when the name is taken there."""
        hashed = None if password is None else _hashed(password)
        user = User(id=new_id("usr"), tenant=by.tenant, name=name, role=role, password_hash=hashed)
        user.generation, user.created_ns = 0, time.time_ns()
        try:
            with self._db.session() as session:
                session.add(user)
                record(session, by, "user.create", object=user.id, detail={"name": name, "role": role})
        except IntegrityError:
            raise conflict(type="user-exists", detail=f"There is a user {name} already; take another name.") from None
        return user

    def remove(self, by: Principal, user_id: str) -> None:
        """Remove a user, their sessions and tokens; the last admin stays."""
        with self._db.session() as session:
            user = _in_tenant(session, by.tenant, user_id)
            if user.role == Role.ADMIN and _admins(session, by.tenant) == 1:
                raise Problem(409, "last-admin", "This is the last admin; make another one first.")
            session.delete(user)
            record(session, by, "user.remove", object=user_id, detail={"name": user.name})

    def set_password(self, user_id: str, password: str, *, keep_cookie: str | None = None) -> None:
        """Set the password; every other session and token of the person ends."""
        hashed = _hashed(password)
        with self._db.session() as session:
            user = session.get_one(User, user_id)
            user.password_hash = hashed
            _end_everything(session, user, keep_cookie)
            record(session, _actor(user), "user.password", object=user_id)

    def reset(self, user_id: str) -> None:
        """Take away the password, sessions, links and tokens of a person."""
        with self._db.session() as session:
            user = session.get_one(User, user_id)
            user.password_hash = None
            session.execute(delete(LoginLink).where(LoginLink.user_id == user_id))
            _end_everything(session, user, None)
            record(session, _actor(user), "user.reset", object=user_id)

    def login_link(self, user_id: str, lifetime_s: int = LINK_S) -> str:
        """Make the token of a one-time login link."""
        token, now = new_secret(), time.time_ns()
        with self._db.session() as session:
            session.execute(delete(LoginLink).where(LoginLink.expires_ns <= now))
            user = session.get_one(User, user_id)
            link = LoginLink(token_hash=digest(token), user_id=user_id, expires_ns=now + lifetime_s * _S)
            session.add(link)
            record(session, _actor(user), "login-link.create", object=user_id)
        return token

    def link_is_good(self, token: str) -> bool:
        """Tell whether a login link's token may still be used."""
        with self._db.reading() as session:
            link = session.get(LoginLink, digest(token))
            return link is not None and link.expires_ns > time.time_ns()

    def first_admin(self) -> User:
        """Give the default tenant's first admin, making tenant and admin at first start."""
        with self._db.session() as session:
            tenant = session.execute(select(Tenant).where(Tenant.name == DEFAULT_TENANT)).scalar_one_or_none()
            if tenant is None:
                tenant = make_tenant(session, DEFAULT_TENANT)
            query = select(User).where(User.tenant == tenant.id, User.role == Role.ADMIN).order_by(User.created_ns)
            admin = session.execute(query).scalars().first()
            if admin is None:
                admin = User(id=new_id("usr"), tenant=tenant.id, name=FIRST_ADMIN, role=Role.ADMIN, generation=0)
                admin.created_ns = time.time_ns()
                session.add(admin)
                session.flush()
                platform = Actor(tenant.id, "platform", "Penstock")
                record(session, platform, "user.create", object=admin.id, detail={"name": FIRST_ADMIN, "role": "admin"})
            return admin

    def _note_failure(self, session: Session, user: User | None, name: str, address: str) -> None:
        tenant = user.tenant if user else _default_tenant(session)
        actor = Actor(tenant, user.id if user else "unknown", user.name if user else "unknown")
        # An unknown name is not written down: people type passwords into the wrong field.
        record(session, actor, "login.failed", detail={"address": address, "known": user is not None})


def make_tenant(session: Session, name: str) -> Tenant:
    """Make a tenant."""
    tenant = Tenant(id=new_id("tnt"), name=name, created_ns=time.time_ns())
    session.add(tenant)
    session.flush()
    return tenant


def person(user: User, *, client_id: str | None = None, expires_ns: int | None = None) -> Principal:
    """Give the principal of a person with all the rights of their role."""
    return Principal(
        subject=user.id,
        kind="person",
        tenant=user.tenant,
        scopes=SCOPES_OF_ROLE[user.role],
        client_id=client_id,
        name=user.name,
        expires_ns=expires_ns,
    )


def _named(session: Session, name: str) -> User | None:
    """Find `name` in the default tenant, or `tenant/name`."""
    tenant, slash, own = name.partition("/")
    wanted = (tenant, own) if slash else (DEFAULT_TENANT, name)
    query = select(User).join(Tenant, Tenant.id == User.tenant).where(Tenant.name == wanted[0], User.name == wanted[1])
    return session.execute(query).scalar_one_or_none()


def _open_session(session: Session, user: User) -> Login:
    now, cookie = time.time_ns(), new_secret()
    own = select(BrowserSession).where(BrowserSession.user_id == user.id).order_by(BrowserSession.created_ns.desc())
    for number, old in enumerate(session.execute(own).scalars().all(), start=1):
        if number >= SESSIONS_MAX or old.expires_ns <= now:
            session.delete(old)
    row = BrowserSession(id_hash=digest(cookie), tenant=user.tenant, user_id=user.id, csrf=digest(new_secret()))
    row.generation, row.created_ns, row.expires_ns = user.generation, now, now + SESSION_S * _S
    session.add(row)
    return Login(cookie, user.id)


def _end_everything(session: Session, user: User, keep_cookie: str | None) -> None:
    user.generation += 1
    kept = digest(keep_cookie) if keep_cookie else ""
    session.execute(delete(BrowserSession).where(BrowserSession.user_id == user.id, BrowserSession.id_hash != kept))
    session.execute(update(BrowserSession).where(BrowserSession.id_hash == kept).values(generation=user.generation))
    families = update(TokenFamily).where(TokenFamily.user_id == user.id, TokenFamily.revoked_ns.is_(None))
    session.execute(families.values(revoked_ns=time.time_ns()))


def _in_tenant(session: Session, tenant: str, user_id: str) -> User:
    user = session.execute(select(User).where(User.tenant == tenant, User.id == user_id)).scalar_one_or_none()
    if user is None:
        raise not_found(what="user", identifier=user_id)
    return user


def _admins(session: Session, tenant: str) -> int:
    query = select(func.count()).select_from(User).where(User.tenant == tenant, User.role == Role.ADMIN)
    return session.execute(query).scalar_one()


def _default_tenant(session: Session) -> str:
    return session.execute(select(Tenant.id).where(Tenant.name == DEFAULT_TENANT)).scalar_one()


def _hashed(password: str) -> str:
    if not PASSWORD_LENGTH_MIN <= len(password) <= PASSWORD_LENGTH_MAX:
        detail = f"A password has {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} characters."
        raise Problem(422, "invalid", detail)
    return hash_password(password)


def _actor(user: User) -> Actor:
    return Actor(user.tenant, user.id, user.name)
