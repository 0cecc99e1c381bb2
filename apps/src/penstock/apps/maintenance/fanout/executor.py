"""Pure work on many items, in order: here, or in processes of this machine; `cluster` has it on a Dask cluster.

Theory of operation. A piece of work is a function of a module and one item, both sent whole; nothing is shared, no
place knows of files. Linear algebra runs on one thread everywhere, since its sums depend on how many there are. So a
result depends on the item alone, to the last bit, as long as the places have equal software and processors of one
kind. Results come in the order of the items, and no more items are read ahead than keep every place busy.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final, Protocol, TypeVar

from threadpoolctl import threadpool_limits

from penstock.core.errors import PenstockError

Item = TypeVar("Item")
Result = TypeVar("Result")
Out = TypeVar("Out", covariant=True)
AHEAD: Final = 2
"""Items a place that are on the way: one that is worked on, and one that waits."""


class ExecutorError(PenstockError):
    """Say why work could not be done where it was sent, and what to do. What is wrong with an item is its own error."""


class Executor(Protocol):
    """Do the same work on many items."""

    def results(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Give the results in the items' order; the first error of one is raised in its place."""

    def close(self) -> None:
        """Let go of what was taken."""


class Waiting(Protocol[Out]):
    """A result that is on its way."""

    def result(self) -> Out:
        """Wait for it."""


def alone(work: Callable[[Item], Result], item: Item) -> Result:
    """Do one piece of work on one thread."""
    with threadpool_limits(limits=1):
        return work(item)


def in_turn(sent: Iterable[Waiting[Result]], ahead: int) -> Iterator[Result]:
    """Give results in order, with `ahead` of them on the way; `sent` is read as they are needed."""
    waiting: deque[Waiting[Result]] = deque()
    for one in sent:
        waiting.append(one)
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


class Here:
    """Do it in this process, item by item."""

    def results(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Give the results in the items' order."""
        for item in items:
            yield alone(work, item)

    def close(self) -> None:
        """Nothing was taken."""


class Processes:
    """Do it in `jobs` processes of this machine, started anew: a fork would take threads' locks with it."""

    def __init__(self, jobs: int) -> None:
        assert jobs > 0, "somebody has to work"
        self._jobs = jobs
        self._pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))

    def results(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Give the results in the items' order; ExecutorError where a process was killed."""
        try:
            yield from in_turn((self._pool.submit(alone, work, item) for item in items), AHEAD * self._jobs)
        except BrokenProcessPool as error:
            message = f"one of the {self._jobs} processes was ended from outside (out of memory?): try fewer (--jobs)"
            raise ExecutorError(message) from error

    def close(self) -> None:
        """End the processes; what has not begun is left."""
        self._pool.shutdown(cancel_futures=True)


HERE: Final = Here()
