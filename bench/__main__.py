"""`python -m bench NAME …` runs bench/NAME.py's `main(arguments)`; `all` runs each, `--short` the small form of CI."""

import importlib
import signal
import sys
from pathlib import Path

from bench import _results
from bench._forms import CI, SHORT


def main() -> int:
    """Dispatch by module name; give the worst status."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
    if len(sys.argv) < 2 or sys.argv[1] not in (*names, "all"):
        sys.stderr.write(
            f"usage: python -m bench NAME [options]; there is: {', '.join(names)}, or all of them: all\n"
            "--short instead of options: the small form, which says that the benchmark works and no more\n"
        )
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    chosen = names if sys.argv[1] == "all" else sys.argv[1:2]
    return max(run(name, sys.argv[2:]) for name in chosen)


def run(name: str, arguments: list[str]) -> int:
    """Run one of them; `--short` stands for the options of its small form."""
    if "--short" in arguments:
        _results.form = CI
        arguments = [*SHORT[name], *(each for each in arguments if each != "--short")]
    status: int = importlib.import_module(f"bench.{name}").main(arguments)
    return status


if __name__ == "__main__":
    sys.exit(main())
