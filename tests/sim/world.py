"""A deterministic world: virtual time on a heap, one seeded random source, links that lose, repeat, delay and part."""

from __future__ import annotations

import hashlib
import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

MS = 1_000_000
S = 1000 * MS
CHAOS_NS = 60 * S
DRAIN_NS = 240 * S
"""Longest back-off (60 s) three times over, and room."""


class Violation(AssertionError):
    """Say which oracle was broken; `oracle` is its name in the table of planted bugs."""

    def __init__(self, oracle: str, message: str) -> None:
        super().__init__(f"{oracle}: {message}")
        self.oracle = oracle


class World:
    """Run events in the order of virtual time; everything random comes from the one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.now_ns = 0
        self.healed = False
        self.events = 0
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0
        self._hash = hashlib.sha256()

    def after(self, delay_ns: int, act: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._heap, (self.now_ns + max(0, delay_ns), self._order, act))

    def note(self, *what: object) -> None:
        """Put an event into the hash of the run."""
        self.events += 1
        self._hash.update(repr((self.now_ns, *what)).encode())

    @property
    def event_hash(self) -> str:
        return self._hash.hexdigest()

    def chance(self, probability: float) -> bool:
        return not self.healed and self.random.random() < probability

    def between(self, low: int, high: int) -> int:
        return self.random.randint(low, high)

    def run(self, until_ns: int) -> None:
        while self._heap and self._heap[0][0] <= until_ns:
            self.now_ns, _, act = heapq.heappop(self._heap)
            act()
        self.now_ns = max(self.now_ns, until_ns)


@dataclass
class Link:
    """Carry messages one way; parted, it carries none."""

    world: World
    parted: bool = False
    carried: int = field(default=0)

    def send(self, deliver: Callable[[], None]) -> None:
        world = self.world
        if self.parted or world.chance(0.08):
            return
        copies = 2 if world.chance(0.06) else 1
        for _ in range(copies):
            delay = world.between(1, 40) * MS
            if world.chance(0.08):
                delay += world.between(100, 8000) * MS
            self.carried += 1
            world.after(delay, deliver)
