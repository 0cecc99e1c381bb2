"""What the gateway got at enrolment, and the broker's user."""

import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from penstock.core.errors import ConfigError
from penstock.edge.driver import MqttCredentials
from penstock.edge.durable import make_folder, write_durably

SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Credential:
    """Name this gateway at the platform; the secret never shows in a log."""

    gateway: str
    client_id: str
    client_secret: str = field(repr=False)


def load_credential(path: Path) -> Credential | None:
    """Read the credential; None where the gateway is not enrolled, ConfigError where the file is broken."""
    document = _load(path)
    if document is None:
        return None
    try:
        return Credential(str(document["gateway"]), str(document["client_id"]), str(document["client_secret"]))
    except KeyError as error:
        message = f"{error} is missing: remove the file and enrol again"
        raise ConfigError(message, file=str(path), line=None, key=str(error.args[0])) from error


def store_credential(path: Path, credential: Credential) -> None:
    """Write the credential whole, synced, readable by its owner alone."""
    make_folder(path.parent)
    write_durably(path, json.dumps(asdict(credential)).encode())


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Carry what a gateway asks to enrol with: on its disk before it is sent, so that it can be sent again."""

    token: str = field(repr=False)
    client_secret: str = field(repr=False)


def begin_enrolment(path: Path, token: str) -> Enrolment | None:
    """Give what to ask with: what was begun with this token, or anew; without a token, what was begun."""
    begun = _begun(path)
    if begun is not None and token in ("", begun.token):
        return begun
    if not token:
        return None
    enrolment = Enrolment(token, secrets.token_urlsafe(SECRET_BYTES))
    make_folder(path.parent)
    write_durably(path, json.dumps(asdict(enrolment)).encode())
    return enrolment


def _begun(path: Path) -> Enrolment | None:
    try:
        document = _load(path)
        return None if document is None else Enrolment(str(document["token"]), str(document["client_secret"]))
    except (ConfigError, KeyError):
        return None


def load_mqtt_credentials(path: Path | None) -> MqttCredentials | None:
    """Read the broker's user from its JSON file, where one is configured."""
    if path is None:
        return None
    document = _load(path)
    if document is None:
        message = 'the file is missing; it holds {"username": …, "password": …}'
        raise ConfigError(message, file=str(path), line=None, key="PENSTOCK_GATEWAY_MQTT_CREDENTIALS")
    try:
        return MqttCredentials(str(document["username"]), str(document["password"]))
    except KeyError as error:
        message = 'the key is missing; the file holds {"username": …, "password": …}'
        raise ConfigError(message, file=str(path), line=None, key=str(error.args[0])) from error


def _load(path: Path) -> dict[str, object] | None:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        document = json.loads(text)
    except ValueError as error:
        message = f"not JSON: {error}"
        raise ConfigError(message, file=str(path), line=None, key="") from error
    if not isinstance(document, dict):
        message = "not a JSON object"
        raise ConfigError(message, file=str(path), line=None, key="")
    return document
