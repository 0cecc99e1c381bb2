"""Ports for processes that tests start."""

import random
import socket
from contextlib import closing

FIRST, LAST = 20_000, 32_000
"""Below the ports that the kernel gives to clients: one of those may be taken between the look and the start."""

_chance = random.SystemRandom()


def free_port() -> int:
    """Return a loopback port that is free now and that no client will get."""
    while True:
        port = _chance.randint(FIRST, LAST)
        with closing(socket.socket()) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
