"""Opaque identifiers: a prefix that says the kind, then 120 random bits."""

import base64
import secrets

_RANDOM_BYTES = 15


def new_id(prefix: str) -> str:
    """Make an id such as `ast_` + 24 characters of [a-z2-7]."""
    return f"{prefix}_{base64.b32encode(secrets.token_bytes(_RANDOM_BYTES)).decode().lower()}"
