"""Another program beside the gateway in a process of its own, which answers lines: how many values came."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PEER_MODULES = ROOT / "tests" / "peers" / "node-opcua" / "node_modules"


class Peer:
    """A process that answers lines on standard output."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env={**os.environ, "NODE_PATH": str(PEER_MODULES)},
        )

    def answer(self) -> str:
        """Read one line, without what libraries print before."""
        assert self.process.stdout is not None, "piped"
        for line in self.process.stdout:
            said = line.strip()
            if said == "ready" or said.isdigit() or said.startswith("{"):
                return said
        return f"ended with {self.process.wait()}"

    def values(self) -> int:
        """Ask how many values came."""
        assert self.process.stdin is not None, "piped"
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.answer())

    def close(self) -> None:
        """Let it end, and end it where it does not."""
        assert self.process.stdin is not None, "piped"
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
