"""Answer a container's health check: ``python -m penstock.cli.probe URL`` exits 0 on a 2xx answer."""

import sys
import urllib.error
import urllib.request

TIMEOUT_S = 3.0


def main() -> int:
    """Ask the URL given as first argument; say on standard error why it is not healthy."""
    if len(sys.argv) != 2 or not sys.argv[1].startswith(("http://", "https://")):
        sys.stderr.write("usage: python -m penstock.cli.probe http://HOST:PORT/PATH\n")
        return 2
    try:
        with urllib.request.urlopen(sys.argv[1], timeout=TIMEOUT_S) as answer:  # noqa: S310 - the scheme is checked above
            return 0 if answer.status < 300 else 1
    except (urllib.error.URLError, OSError) as error:
        sys.stderr.write(f"{sys.argv[1]}: {error}\n")
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
