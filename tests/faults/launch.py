"""Start the platform or the gateway with a clock that a file steps.

`python -m tests.faults.launch CLOCK_FILE platform run`: the file holds nanoseconds to add to the wall clock, read again
twenty times a second; timers are untouched, as after a step by a person or by NTP.
"""

import sys
import threading
import time
from pathlib import Path

LOOK_S = 0.05


def step_clock_by(file: Path) -> None:
    """Let wall-clock functions of `time` follow the file."""
    true_ns, true = time.time_ns, time.time
    added = [0]

    def look() -> None:
        while True:
            try:
                added[0] = int(file.read_text() or "0")
            except (OSError, ValueError):
                added[0] = added[0]
            time.sleep(LOOK_S)

    time.time_ns = lambda: true_ns() + added[0]
    time.time = lambda: true() + added[0] / 1e9
    threading.Thread(target=look, name="clock", daemon=True).start()


def main() -> None:
    """Patch, then run the command line."""
    clock, *words = sys.argv[1:]
    step_clock_by(Path(clock))
    from penstock.cli.main import main as run

    sys.argv = ["penstock", *words]
    run()


if __name__ == "__main__":
    main()
