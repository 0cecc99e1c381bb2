"""Make the secrets of the compose stack once, each in the folder (volume) of those who use it.

Run by the one-shot service ``secrets``; a second run keeps what is there.
"""

import base64
import hashlib
import json
import os
import secrets
import sys
from pathlib import Path

MOSQUITTO_ITERATIONS = 20_000  # PBKDF2-SHA512; Mosquitto's own default is 101, meant for slow machines
USERS = {"mqtt-gateway": "gateway", "mqtt-sim": "simulators"}

MOSQUITTO_CONF = """\
listener 1883 0.0.0.0
allow_anonymous false
password_file {folder}/passwords
acl_file {folder}/acl
persistence true
persistence_location /broker/
autosave_interval 1
autosave_on_changes true
max_inflight_messages 1000
max_queued_messages 1000000
message_size_limit 2097152
"""

ACL = """\
user gateway
topic read #

user simulators
topic write #
"""


def main() -> int:
    """Write what is missing below the folder given as first argument; return the exit status."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m penstock.cli.compose_secrets FOLDER\n")
        return 2
    folder = Path(sys.argv[1])
    _write_once(folder / "postgres" / "password", secrets.token_urlsafe(32))
    _broker_users(folder)
    _write_once(folder / "mosquitto" / "acl", ACL)
    _write_once(folder / "mosquitto" / "mosquitto.conf", MOSQUITTO_CONF.format(folder=folder / "mosquitto"))
    return 0


def _broker_users(folder: Path) -> None:
    lines = []
    for name, user in USERS.items():
        path = folder / name / f"{name}.json"
        _write_once(path, json.dumps({"username": user, "password": secrets.token_urlsafe(32)}))
        credential = json.loads(path.read_text())
        lines.append(f"{credential['username']}:{mosquitto_hash(credential['password'], secrets.token_bytes(12))}")
    _write_once(folder / "mosquitto" / "passwords", "\n".join(lines) + "\n")


def mosquitto_hash(password: str, salt: bytes) -> str:
    """Return a password in the form of a Mosquitto 2 password file: PBKDF2 with SHA-512."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, MOSQUITTO_ITERATIONS, 64)
    return f"$7${MOSQUITTO_ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def _write_once(path: Path, text: str) -> None:
    if path.exists():
        return
    temporary = path.with_suffix(path.suffix + ".new")
    temporary.unlink(missing_ok=True)
    # readable by the group, since the database runs as a user of its own within it
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)


if __name__ == "__main__":
    raise SystemExit(main())
