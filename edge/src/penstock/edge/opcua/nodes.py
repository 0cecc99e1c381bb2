"""Turning a device file's node addresses into node ids of this connection."""

from collections.abc import Sequence
from dataclasses import dataclass

from asyncua import ua
from asyncua.ua.uaerrors import UaError


@dataclass(frozen=True, slots=True)
class MonitoredTag:
    """Pair a tag with the node as its device file writes it."""

    tag: str
    node: str


class UnknownNamespace(Exception):
    """Say that the server does not have the namespace; it may have it after its next start."""


def resolve_node(text: str, default_uri: str | None, namespaces: Sequence[str]) -> ua.NodeId:
    """Give the node id; the namespace goes by URI, since its index may change at each start of the server.

    `Flow` is a string identifier in the default namespace; `nsu=urn:x;s=Flow`, `nsu=urn:x;i=12`, `ns=2;s=…`, `i=2258`
    are whole node ids. ValueError where the text is no node id, UnknownNamespace where the server lacks the URI.
    """
    if text.startswith("nsu="):
        uri, _, rest = text[4:].partition(";")
        return _parse(f"ns={_index(uri, namespaces)};{rest}")
    if text.startswith("ns=") or text[:2] in ("i=", "s=", "g=", "b="):
        return _parse(text)
    if default_uri is None:
        message = f"node {text!r} needs connection.namespace, or write it as nsu=<uri>;s={text}"
        raise ValueError(message)
    return ua.NodeId(ua.String(text), ua.Int16(_index(default_uri, namespaces)))


def _parse(text: str) -> ua.NodeId:
    try:
        return ua.NodeId.from_string(text)
    except UaError as error:
        message = f"node {text!r} is no node id: {error}"
        raise ValueError(message) from error


def _index(uri: str, namespaces: Sequence[str]) -> int:
    try:
        return namespaces.index(uri)
    except ValueError:
        message = f"the server has no namespace {uri!r}; it has {', '.join(repr(known) for known in namespaces)}"
        raise UnknownNamespace(message) from None
