"""Readable log lines: one per event, no line breaks from outside, no chatter of libraries."""

import logging
import sys

QUIET = ("asyncua", "httpx", "httpcore", "uvicorn", "paho", "asyncio")


class OneLine(logging.Formatter):
    """Write a record as one line: what came from outside cannot forge another."""

    def format(self, record: logging.LogRecord) -> str:
        """Format the record, with control characters escaped."""
        text = super().format(record)
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def configure_logging(level: int = logging.INFO) -> None:
    """Send all records to stderr as one line each."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL if name == "asyncua" else logging.WARNING)
