"""Python client of Penstock: read and write the plant's history, follow it live, handle its alarms.

>>> from penstock.sdk import Client
>>> with Client() as client:
...     client.samples("pump-plc/flow", start="2h-ago").to_pandas()
"""

from penstock.sdk.async_client import AsyncClient
from penstock.sdk.backoff import Backoff
from penstock.sdk.client import Client
from penstock.sdk.credentials import ClientCredentials, FixedToken, PersonToken
from penstock.sdk.errors import (
    ApiError,
    BusyError,
    ClientError,
    ConflictError,
    ConnectionFailedError,
    CredentialError,
    ForbiddenError,
    GoneError,
    InvalidRequestError,
    MissingExtraError,
    NotFoundError,
    ServerError,
    UnauthorizedError,
)
from penstock.sdk.frames import Removed
from penstock.sdk.models import (
    Alarm,
    Asset,
    AssetType,
    ComputedTag,
    DeleteResult,
    Erasure,
    FailureMode,
    Gateway,
    Latest,
    Me,
    Property,
    Rule,
    Tag,
    TreeNode,
    WriteResult,
)
from penstock.sdk.processed import Aggregates, Interpolated, Plot
from penstock.sdk.resources.history import Commits
from penstock.sdk.resources.streaming import StreamBatch
from penstock.sdk.samples import Sample, Samples

__all__ = [
    "Aggregates",
    "Alarm",
    "ApiError",
    "Asset",
    "AssetType",
    "AsyncClient",
    "Backoff",
    "BusyError",
    "Client",
    "ClientCredentials",
    "ClientError",
    "Commits",
    "ComputedTag",
    "ConflictError",
    "ConnectionFailedError",
    "CredentialError",
    "DeleteResult",
    "Erasure",
    "FailureMode",
    "FixedToken",
    "ForbiddenError",
    "Gateway",
    "GoneError",
    "Interpolated",
    "InvalidRequestError",
    "Latest",
    "Me",
    "MissingExtraError",
    "NotFoundError",
    "PersonToken",
    "Plot",
    "Property",
    "Removed",
    "Rule",
    "Sample",
    "Samples",
    "ServerError",
    "StreamBatch",
    "Tag",
    "TreeNode",
    "UnauthorizedError",
    "WriteResult",
]
