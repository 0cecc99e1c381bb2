"""Passwords and high-entropy secrets: how they are made, kept and compared."""

import hashlib
import hmac
import secrets
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

PASSWORD_LENGTH_MIN = 10
PASSWORD_LENGTH_MAX = 200
HASHES_AT_ONCE = 2  # each takes 19 MiB; more would let a flood of logins eat the memory
_SECRET_BYTES = 32

_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_turnstile = threading.BoundedSemaphore(HASHES_AT_ONCE)
_unknown_user_hash: list[str] = []


def hash_password(password: str) -> str:
    """Hash with argon2id, 19 MiB, 2 passes."""
    with _turnstile:
        return _hasher.hash(password)


def password_matches(password_hash: str | None, password: str) -> bool:
    """Tell whether the password is right; as slow for None (no such user, no password) as for a real hash."""
    with _turnstile:
        if not _unknown_user_hash:
            _unknown_user_hash.append(_hasher.hash(new_secret()))
        try:
            return _hasher.verify(password_hash or _unknown_user_hash[0], password) and password_hash is not None
        except (VerificationError, InvalidHashError):
            return False


def new_secret() -> str:
    """Make a secret of 256 random bits, 43 URL-safe characters."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def digest(secret: str) -> str:
    """Hash a high-entropy secret for the store: SHA-256 is enough where guessing is hopeless."""
    return hashlib.sha256(secret.encode()).hexdigest()


def secret_matches(stored_digest: str, secret: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(stored_digest, digest(secret))
