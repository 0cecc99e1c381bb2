"""Generation files: what came in, in the order of its arrival, some millions of rows a file.

A generation is one DuckDB file with rows and ledger together, since a transaction can write one file only. It is born
under a name that ends in `.new`, with the state of everything before it (newest sample of each tag, watermarks of
each writer), and renamed when it is whole: so a start needs the last file only, and a kill leaves no half-made one.
"""

from dataclasses import dataclass
from pathlib import Path

UNBORN_SUFFIX = ".new"

ERASURE_TABLE = """CREATE TABLE IF NOT EXISTS {name}.erasure (
    position BIGINT NOT NULL, tag BIGINT NOT NULL, from_ns BIGINT NOT NULL, to_ns BIGINT NOT NULL,
    made_ns BIGINT NOT NULL)"""
"""Files from before samples could be deleted lack it; it is added when they are opened."""
TABLES = (
    """CREATE TABLE {name}.sample (
        tag BIGINT NOT NULL, time BIGINT NOT NULL, status UINTEGER NOT NULL,
        vf DOUBLE, vi BIGINT, vb BOOLEAN, vs VARCHAR, position BIGINT NOT NULL, "row" BIGINT NOT NULL)""",
    """CREATE TABLE {name}.ledger (
        position BIGINT NOT NULL, tenant VARCHAR NOT NULL, writer VARCHAR NOT NULL, epoch VARCHAR NOT NULL,
        seq BIGINT NOT NULL, key VARCHAR, crc UINTEGER NOT NULL, n BIGINT NOT NULL,
        arrival_gateway BIGINT NOT NULL, arrival_platform BIGINT NOT NULL, stored BIGINT NOT NULL,
        duplicates BIGINT NOT NULL, late BIGINT NOT NULL, future BIGINT NOT NULL, quarantined BIGINT NOT NULL)""",
    """CREATE TABLE {name}.record (
        position BIGINT NOT NULL, ordinal BIGINT NOT NULL, tenant VARCHAR NOT NULL, writer VARCHAR NOT NULL,
        kind VARCHAR NOT NULL, tag BIGINT, from_ns BIGINT, to_ns BIGINT, count BIGINT NOT NULL,
        device VARCHAR NOT NULL, cause VARCHAR NOT NULL, excerpt VARCHAR NOT NULL, arrival_platform BIGINT NOT NULL)""",
    """CREATE TABLE {name}.quarantine (
        position BIGINT NOT NULL, tenant VARCHAR NOT NULL, writer VARCHAR NOT NULL, epoch VARCHAR NOT NULL,
        seq BIGINT NOT NULL, crc UINTEGER NOT NULL, reason VARCHAR NOT NULL, detail VARCHAR NOT NULL,
        rows BIGINT NOT NULL, arrival_platform BIGINT NOT NULL, payload BLOB NOT NULL)""",
    "CREATE TABLE {name}.resolution (quarantined BIGINT NOT NULL, position BIGINT NOT NULL, time BIGINT NOT NULL)",
    ERASURE_TABLE,
    "CREATE TABLE {name}.proof (first BIGINT NOT NULL, last BIGINT NOT NULL, crc UINTEGER NOT NULL)",
    """CREATE TABLE {name}.birth_newest (
        tag BIGINT NOT NULL, time BIGINT NOT NULL, status UINTEGER NOT NULL, vf DOUBLE, vi BIGINT, vb BOOLEAN,
        vs VARCHAR, position BIGINT NOT NULL, "row" BIGINT NOT NULL, arrival_gateway BIGINT NOT NULL,
        arrival_platform BIGINT NOT NULL)""",
    "CREATE TABLE {name}.birth_future (tag BIGINT NOT NULL, low BIGINT NOT NULL, high BIGINT NOT NULL)",
    """CREATE TABLE {name}.birth_writer (
        writer VARCHAR NOT NULL, epoch VARCHAR NOT NULL, watermark BIGINT NOT NULL, above BIGINT[] NOT NULL)""",
    "CREATE TABLE {name}.birth (number BIGINT NOT NULL, head BIGINT NOT NULL, made BIGINT NOT NULL)",
)


@dataclass(slots=True)
class Extent:
    """Hold what a generation spans, so that questions can pass it by; grows with each commit to it."""

    rows: int = 0
    time_min: int = 2**63 - 1
    time_max: int = -(2**63)
    position_min: int = 2**63 - 1
    position_max: int = 0
    arrival_min: int = 2**63 - 1
    arrival_max: int = 0

    def holds_arrival(self, start_ns: int, end_ns: int) -> bool:
        """Say whether a batch that arrived at the platform in [start, end) may be here."""
        return self.arrival_min < end_ns and self.arrival_max >= start_ns

    def holds_positions(self, first: int, last: int) -> bool:
        """Say whether a commit of a position from `first` to `last` may be here."""
        return self.position_min <= last and self.position_max >= first

    def holds_time(self, start_ns: int, end_ns: int) -> bool:
        """Say whether a row with start <= time < end may be here."""
        return self.rows > 0 and self.time_min < end_ns and self.time_max >= start_ns


@dataclass(frozen=True, slots=True)
class Generation:
    """Name one file, and know what it spans."""

    number: int
    path: Path
    extent: Extent

    @property
    def name(self) -> str:
        """Give the name under which DuckDB knows the file; made of a number, so safe in SQL."""
        return f"gen_{self.number:d}"

    @property
    def parquet(self) -> None:
        """Say that it is none."""
        return None

    @property
    def erased_to(self) -> int:
        """Give the position up to which erasures are carried out in the file: rows stay in a hot file."""
        return 0

    def span(self, _tag: int) -> tuple[int, int] | None:
        """Give first and last time that a tag may have here."""
        return (self.extent.time_min, self.extent.time_max) if self.extent.rows else None

    def covers(self, number: int) -> bool:
        """Say whether it is the generation of that number."""
        return self.number == number

    def holds(self, _tags: object, start_ns: int, end_ns: int) -> bool:
        """Say whether a row with start <= time < end may be here; of tags nothing is known."""
        return self.extent.holds_time(start_ns, end_ns)

    def may_hold_batch(self, _writer: str, _epoch: str, _seq: int) -> bool:
        """Say whether a batch may be here: only reading tells."""
        return True

    def bound(self, _tag: int, time_ns: int, *, before: bool) -> tuple[int | None, bool]:
        """Give the newest known time of the tag before `time_ns` (or the first from it on), and whether to read."""
        start_ns, end_ns = (-(2**63), time_ns) if before else (time_ns, 2**63 - 1)
        return None, self.extent.holds_time(start_ns, end_ns)


def file_name(number: int) -> str:
    """Give the name of a generation's file."""
    return f"gen-{number:06d}.duckdb"


def list_files(folder: Path) -> list[tuple[int, Path]]:
    """List the generations of a folder by number."""
    found = [(int(path.name[4:10]), path) for path in folder.glob("gen-[0-9][0-9][0-9][0-9][0-9][0-9].duckdb")]
    return sorted(found)


def remove_unborn(folder: Path) -> None:
    """Remove what a kill left of a generation that was being made; nothing was ever committed to it."""
    for path in folder.glob(f"gen-*{UNBORN_SUFFIX}*"):
        path.unlink()
