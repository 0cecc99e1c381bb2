"""What every campaign is: a name, the fault of the list, how often, from which seed; and what it gives back."""

import json
import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[2] / "test-results" / "faults"
FAILURES_SHOWN = 20

Figure = int | float | str


@dataclass(frozen=True, slots=True)
class Options:
    """Say how often, for how long, from which seed and where."""

    n: int
    seed: int
    folder: Path
    seconds: float | None = None

    @property
    def chance(self) -> random.Random:
        """Give a source of chance that begins with the seed."""
        return random.Random(self.seed)


@dataclass(slots=True)
class Result:
    """Count trials, hold the figures, and name each failure so that it can be made again."""

    n: int = 0
    figures: dict[str, Figure] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def count(self, name: str, by: int = 1) -> None:
        """Add to a figure."""
        before = self.figures.get(name, 0)
        assert isinstance(before, int), name
        self.figures[name] = before + by


@dataclass(frozen=True, slots=True)
class Campaign:
    """Name a campaign; `n` and `short_n` are how often it tries in full and in its short form; 0: it has none."""

    name: str
    fault: str
    says: str
    n: int
    short_n: int
    run: Callable[[Options], Result]
    seconds: float | None = None
    short_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Hold one run of a campaign, as it is stored."""

    campaign: str
    fault: str
    seed: int
    took_s: float
    result: Result

    @property
    def ok(self) -> bool:
        """Say that something was tried and nothing failed."""
        return self.result.n > 0 and not self.result.failures

    def __str__(self) -> str:
        figures = ", ".join(f"{name} {value}" for name, value in self.result.figures.items())
        head = (
            f"{self.fault:<4} {self.campaign:<18} n {self.result.n:>7}  failures {len(self.result.failures):>4}  "
            f"{self.took_s:>6.0f} s  seed {self.seed}  {figures}"
        )
        return "\n".join([head, *(f"     {failure}" for failure in self.result.failures[:FAILURES_SHOWN])])


def run_campaign(campaign: Campaign, options: Options) -> Report:
    """Run it, store the report as JSON, give it."""
    began = time.monotonic()
    options.folder.mkdir(parents=True, exist_ok=True)
    result = campaign.run(options)
    report = Report(campaign.name, campaign.fault, options.seed, round(time.monotonic() - began, 1), result)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{campaign.name}.json").write_text(json.dumps(asdict(report), indent=2) + "\n")
    return report


@contextmanager
def fresh(folder: Path) -> Iterator[Path]:
    """Give an empty folder, removed afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
