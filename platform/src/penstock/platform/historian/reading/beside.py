"""Parts of a question in a thread beside: two reads of files at once, where the thread is free."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Generic, TypeVar

T = TypeVar("T")


class Part(Generic[T]):
    """Hold a call that another thread may be at; whoever takes its answer makes it, if nobody has begun."""

    def __init__(self, pool: ThreadPoolExecutor, call: Callable[[], T]) -> None:
        self._call = call
        self._future = pool.submit(call)

    def take(self) -> T:
        """Give the answer, or raise what the call raised."""
        return self._call() if self._future.cancel() else self._future.result()

    def leave(self) -> None:
        """Make sure that nobody is at it any more."""
        if not self._future.cancel():
            wait([self._future])


class Beside:
    """Own the thread. It never asks for parts itself, so nobody waits for a thread that waits."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="historian-beside")

    def stop(self) -> None:
        """End the thread, after all who may begin a part."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    @contextlib.contextmanager
    def begin(self, calls: Sequence[Callable[[], T]]) -> Iterator[list[Part[T]]]:
        """Let the thread do parts, the first one first: take them from the last on.

        At the end of the block nobody is at any of them: whatever the calls hold may go.
        """
        parts = [Part(self._pool, call) for call in calls]
        try:
            yield parts
        finally:
            for part in reversed(parts):
                part.leave()
