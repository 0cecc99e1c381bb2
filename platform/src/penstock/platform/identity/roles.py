"""Roles: sets of scopes that people have."""

from collections.abc import Mapping
from enum import StrEnum

from penstock.platform.kit.access import SCOPES


class Role(StrEnum):
    """What a person is in a tenant."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ENGINEER = "engineer"
    ADMIN = "admin"


_VIEWER = frozenset(scope for scope in SCOPES if scope.endswith(":read")) - {"audit:read"}
_OPERATOR = _VIEWER | {"alarms:ack"}
_ENGINEER = _OPERATOR | {"assets:write", "rules:write", "samples:write"}
_ADMIN = frozenset(SCOPES) - {"ingest"}

SCOPES_OF_ROLE: Mapping[str, frozenset[str]] = {
    Role.VIEWER: _VIEWER,
    Role.OPERATOR: _OPERATOR,
    Role.ENGINEER: _ENGINEER,
    Role.ADMIN: _ADMIN,
}
"""`ingest` is the gateways' alone: a batch comes from an enrolled gateway or not at all."""

OPERATOR_SCOPES = _ADMIN - {"alarms:ack"}
"""The command line's credential may do all but acknowledge: that is a person's deed."""

GATEWAY_SCOPES = frozenset({"ingest"})
