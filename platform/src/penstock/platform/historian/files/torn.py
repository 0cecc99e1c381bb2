"""The tail of DuckDB's log that a power cut tore: cut off at the start, when it is that and nothing else.

DuckDB ignores a log that ends too early, but of a log with a hole in it (the sectors of an unsynced write reach the
disk in any order) it says "Corrupt WAL file" and opens nothing. Each of our commits is one transaction, ended by a
flush entry and synced before the next one begins. So a torn tail holds at most one flush entry, as its last bytes;
where more follows, synced commits were damaged, and that is told, not cut. The bytes are kept beside the file.

A damaged last commit looks like a torn one and is cut as well: the gateways, told a lower watermark, send it again.
"""

import logging
import os
import re
from pathlib import Path

from penstock.platform.historian.files.durable import LOG_SUFFIX, sync_file
from penstock.platform.kit.files import sync_folder

ENTRY_HEAD_BYTES = 16
"""Size and checksum, eight bytes each, before the bytes whose position DuckDB names."""
FLUSH_PAYLOAD = bytes.fromhex("64 00 64 ff ff")
TORN_SUFFIX = ".torn"
_CORRUPT = re.compile(r"Corrupt WAL file: entry at byte position (\d+) computed checksum")

log = logging.getLogger(__name__)


def cut_torn_tail(path: Path, error: Exception) -> bool:
    """Cut the log of a database file where DuckDB found it broken, if only the last commit can be; say whether."""
    found = _CORRUPT.search(str(error))
    if found is None:
        return False
    logged = path.with_name(path.name + LOG_SUFFIX)
    octets = logged.read_bytes()
    at = int(found[1]) - ENTRY_HEAD_BYTES
    if at < 0 or not _is_last_commit(octets[at:]):
        return False
    _cut(logged, octets, _end_of_commit(octets, at))
    return True


def has_log(path: Path) -> bool:
    """Say whether the log of a database file holds a commit."""
    logged = path.with_name(path.name + LOG_SUFFIX)
    return logged.exists() and FLUSH_PAYLOAD in logged.read_bytes()


def cut_last_commit(path: Path) -> None:
    """Cut the last commit off the log of a database file that is not open."""
    logged = path.with_name(path.name + LOG_SUFFIX)
    octets = logged.read_bytes()
    _cut(logged, octets, _end_of_commit(octets, octets.rfind(FLUSH_PAYLOAD)))


def _end_of_commit(octets: bytes, before: int) -> int:
    """Give where the last commit ends that lies wholly before a byte; 0 where there is none."""
    found = octets.rfind(FLUSH_PAYLOAD, 0, before)
    return found + len(FLUSH_PAYLOAD) if found >= 0 else 0


def _cut(logged: Path, octets: bytes, at: int) -> None:
    kept = logged.with_name(logged.name + TORN_SUFFIX)
    kept.write_bytes(octets[at:])
    if at == 0:
        logged.unlink()  # nothing of it was ever whole
    else:
        os.truncate(logged, at)
        sync_file(logged)
    sync_folder(logged.parent)
    log.warning(
        "%s: the last %d bytes, of a commit that a power cut interrupted, are cut off and kept in %s",
        logged,
        len(octets) - at,
        kept.name,
    )


def _is_last_commit(tail: bytes) -> bool:
    first = tail.find(FLUSH_PAYLOAD, ENTRY_HEAD_BYTES)
    return first < 0 or first + len(FLUSH_PAYLOAD) == len(tail)
