"""`python -m bench NAME …` runs bench/NAME.py's `main(arguments)`; without a name it lists what there is."""

import importlib
import sys
from pathlib import Path


def main() -> int:
    """Dispatch by module name."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py") if path.stem != "results")
    if len(sys.argv) < 2 or sys.argv[1] not in names:
        sys.stderr.write(f"usage: python -m bench NAME [options]; there is: {', '.join(names)}\n")
        return 2
    status: int = importlib.import_module(f"bench.{sys.argv[1]}").main(sys.argv[2:])
    return status


if __name__ == "__main__":
    sys.exit(main())
