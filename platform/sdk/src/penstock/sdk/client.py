"""The synchronous client: the asynchronous one, run on a thread of its own.

No logic is written twice: each method below is the asynchronous method, seen through `blocking` or `iterating`, with
its parameters and types.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal
from anyio.lowlevel import checkpoint

from penstock.sdk.async_client import AsyncClient
from penstock.sdk.models import Me
from penstock.sdk.resources.alarms import AsyncAlarms, AsyncRules
from penstock.sdk.resources.apps import AsyncApps
from penstock.sdk.resources.assets import AsyncAssets
from penstock.sdk.resources.history import AsyncHistory
from penstock.sdk.resources.ledger import AsyncGateways, AsyncLedger
from penstock.sdk.resources.streaming import AsyncStreaming
from penstock.sdk.resources.tags import AsyncTags
from penstock.sdk.resources.writing import AsyncWriting

A = TypeVar("A")
P = ParamSpec("P")
T = TypeVar("T")


class Blocking(Generic[A]):
    """An asynchronous resource with the portal to the thread on which it lives."""

    def __init__(self, wrapped: A, owner: Client) -> None:
        self._wrapped = wrapped
        self._owner = owner  # as long as a method of it is held, the thread lives

    @property
    def _portal(self) -> BlockingPortal:
        return self._owner.portal


def blocking(method: Callable[Concatenate[A, P], Coroutine[Any, Any, T]]) -> Callable[Concatenate[Blocking[A], P], T]:
    """Show a coroutine method as a plain one."""

    @wraps(method)
    def call(self: Blocking[A], /, *args: P.args, **kwargs: P.kwargs) -> T:
        async def awaited() -> T:
            return await method(self._wrapped, *args, **kwargs)

        return run(self._portal, awaited)

    return call


def iterating(
    method: Callable[Concatenate[A, P], AsyncIterator[T]],
) -> Callable[Concatenate[Blocking[A], P], Iterator[T]]:
    """Show an asynchronous generator method as a plain generator; closing it closes the other."""

    @wraps(method)
    def call(self: Blocking[A], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        source = method(self._wrapped, *args, **kwargs)

        async def step() -> tuple[T] | None:
            try:
                return (await source.__anext__(),)
            except StopAsyncIteration:  # may not leave a coroutine
                return None

        async def close() -> None:
            if isinstance(source, AsyncGenerator):
                await source.aclose()

        try:
            while (item := run(self._portal, step)) is not None:
                yield item[0]
        finally:
            run(self._portal, close)

    return call


def run(portal: BlockingPortal, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run on the client's thread; an interrupt here (Ctrl-C) cancels it there and waits for its end."""
    future: Future[T] = portal.start_task_soon(function)
    try:
        return future.result()
    except BaseException:
        if not future.done():
            future.cancel()
            portal.call(checkpoint)
        raise


class Assets(Blocking[AsyncAssets]):
    """See AsyncAssets."""

    list = blocking(AsyncAssets.list)
    retrieve = blocking(AsyncAssets.retrieve)
    by_path = blocking(AsyncAssets.by_path)
    tree = blocking(AsyncAssets.tree)
    create = blocking(AsyncAssets.create)
    update = blocking(AsyncAssets.update)
    delete = blocking(AsyncAssets.delete)
    types = blocking(AsyncAssets.types)
    type = blocking(AsyncAssets.type)


class Tags(Blocking[AsyncTags]):
    """See AsyncTags."""

    list = blocking(AsyncTags.list)
    retrieve = blocking(AsyncTags.retrieve)
    update = blocking(AsyncTags.update)
    declare = blocking(AsyncTags.declare)
    declare_many = blocking(AsyncTags.declare_many)
    resolve = blocking(AsyncTags.resolve)


class Alarms(Blocking[AsyncAlarms]):
    """See AsyncAlarms."""

    list = blocking(AsyncAlarms.list)
    retrieve = blocking(AsyncAlarms.retrieve)
    journal = blocking(AsyncAlarms.journal)
    acknowledge = blocking(AsyncAlarms.acknowledge)


class Rules(Blocking[AsyncRules]):
    """See AsyncRules."""

    list = blocking(AsyncRules.list)
    retrieve = blocking(AsyncRules.retrieve)
    create = blocking(AsyncRules.create)
    update = blocking(AsyncRules.update)
    delete = blocking(AsyncRules.delete)


class Ledger(Blocking[AsyncLedger]):
    """See AsyncLedger."""

    summary = blocking(AsyncLedger.summary)
    safe = blocking(AsyncLedger.safe)
    accounts = blocking(AsyncLedger.accounts)
    batches = blocking(AsyncLedger.batches)
    gaps = blocking(AsyncLedger.gaps)
    drops = blocking(AsyncLedger.drops)
    rejects = blocking(AsyncLedger.rejects)
    thinned = blocking(AsyncLedger.thinned)
    erasures = blocking(AsyncLedger.erasures)
    duplicates = blocking(AsyncLedger.duplicates)
    quarantine = blocking(AsyncLedger.quarantine)
    quarantine_payload = blocking(AsyncLedger.quarantine_payload)
    quarantine_retry = blocking(AsyncLedger.quarantine_retry)


class Gateways(Blocking[AsyncGateways]):
    """See AsyncGateways."""

    list = blocking(AsyncGateways.list)
    enrol_token = blocking(AsyncGateways.enrol_token)


class Apps(Blocking[AsyncApps]):
    """See AsyncApps."""

    list = blocking(AsyncApps.list)
    retrieve = blocking(AsyncApps.retrieve)
    register = blocking(AsyncApps.register)
    update = blocking(AsyncApps.update)
    renew_secret = blocking(AsyncApps.renew_secret)
    delete = blocking(AsyncApps.delete)


class History(Blocking[AsyncHistory]):
    """See AsyncHistory."""

    latest = blocking(AsyncHistory.latest)
    samples = blocking(AsyncHistory.samples)
    iterate = iterating(AsyncHistory.iterate)
    aggregates = blocking(AsyncHistory.aggregates)
    interpolated = blocking(AsyncHistory.interpolated)
    plot = blocking(AsyncHistory.plot)
    since = blocking(AsyncHistory.since)


class Streaming(Blocking[AsyncStreaming]):
    """See AsyncStreaming."""

    stream = iterating(AsyncStreaming.stream)


class Writing(Blocking[AsyncWriting]):
    """See AsyncWriting."""

    write = blocking(AsyncWriting.write)
    write_many = blocking(AsyncWriting.write_many)
    replace = blocking(AsyncWriting.replace)
    replace_many = blocking(AsyncWriting.replace_many)
    delete = blocking(AsyncWriting.delete)


class Client:
    """Talk to a Penstock platform, synchronously; takes what AsyncClient takes. Use as `with`, or call `close()`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal())
            client = portal.call(lambda: _made(*args, **kwargs))
            stack.callback(portal.call, client.aclose)
            self._stack = stack.pop_all()
        self.portal = portal
        self._client = client
        self.url = client.url
        self.assets = Assets(client.assets, self)
        self.tags = Tags(client.tags, self)
        self.alarms = Alarms(client.alarms, self)
        self.rules = Rules(client.rules, self)
        self.ledger = Ledger(client.ledger, self)
        self.gateways = Gateways(client.gateways, self)
        self.apps = Apps(client.apps, self)
        history = History(client.history, self)
        self.latest = history.latest
        self.samples = history.samples
        self.iterate = history.iterate
        self.aggregates = history.aggregates
        self.interpolated = history.interpolated
        self.plot = history.plot
        self.since = history.since
        self.stream = Streaming(client.streaming, self).stream
        writing = Writing(client.writing, self)
        self.write = writing.write
        self.write_many = writing.write_many
        self.replace = writing.replace
        self.replace_many = writing.replace_many
        self.delete = writing.delete
        self.declare_tag = self.tags.declare
        self.declare_tags = self.tags.declare_many

    def me(self) -> Me:
        """Say who this client's token speaks for."""
        return self.portal.call(self._client.me)

    def close(self) -> None:
        """Close the connections and end the thread; safe to call again."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


async def _made(*args: Any, **kwargs: Any) -> AsyncClient:
    return AsyncClient(*args, **kwargs)
