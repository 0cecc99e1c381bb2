"""Signing keys: made at first start, mode 0600, never leave the data folder."""

import json
import secrets
from pathlib import Path
from typing import Any

from joserfc.jwk import OKPKey

from penstock.core.errors import ConfigError
from penstock.platform.kit.files import make_folder, write_secret

ALGORITHM = "Ed25519"
"""RFC 9864; one algorithm, named here and nowhere else, never taken from a token."""


class SigningKeys:
    """Sign with the newest key, verify with every key of the folder (so that a key can be replaced)."""

    def __init__(self, keys: dict[str, OKPKey], newest: str) -> None:
        assert newest in keys
        self._keys = keys
        self.newest = newest

    @classmethod
    def open(cls, folder: Path) -> "SigningKeys":
        """Read the keys, or make the first one."""
        make_folder(folder)
        if not any(folder.glob("signing-*.json")):
            key = OKPKey.generate_key("Ed25519", {"use": "sig"}, auto_kid=True)
            write_secret(folder / "signing-1.json", json.dumps(key.as_dict(private=True)))
        keys: dict[str, OKPKey] = {}
        newest = ""
        for path in sorted(folder.glob("signing-*.json")):
            key = _read(path)
            newest = str(key.kid)
            keys[newest] = key
        return cls(keys, newest)

    def signing(self) -> OKPKey:
        """Give the key that signs."""
        return self._keys[self.newest]

    def get(self, kid: object) -> OKPKey | None:
        """Give the key of that id, if it is ours."""
        return self._keys.get(kid) if isinstance(kid, str) else None

    def public(self) -> dict[str, Any]:
        """Give the JWKS: public halves only."""
        members = ("kty", "crv", "x", "kid", "use")
        keys = [{name: key.as_dict(private=False)[name] for name in members} for key in self._keys.values()]
        return {"keys": [{**key, "alg": ALGORITHM} for key in keys]}


def cookie_secret(folder: Path) -> bytes:
    """Give the key that binds login forms to browsers; made at first start."""
    path = folder / "forms.key"
    if not path.exists():
        write_secret(path, secrets.token_hex(32))
    return bytes.fromhex(path.read_text(encoding="utf-8"))


def _read(path: Path) -> OKPKey:
    try:
        key = OKPKey.import_key(json.loads(path.read_text(encoding="utf-8")))
        assert key.is_private
        assert key.kid
    except (ValueError, AssertionError) as error:
        message = "not a signing key: restore the file, or remove it (all tokens then end)"
        raise ConfigError(message, file=str(path), line=1, key="") from error
    return key
