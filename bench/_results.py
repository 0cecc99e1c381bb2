"""Where benchmark results go: one JSON file a run, with machine and date."""

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench._forms import CAMPAIGN

RESULTS = Path(os.environ.get("PENSTOCK_BENCH_RESULTS", Path(__file__).parent / "results"))

form = CAMPAIGN
"""Which form runs: figures of the small one are not to be quoted."""


def machine() -> dict[str, Any]:
    """Say what a figure was measured on."""
    cpu = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_MiB": memory,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
    }


def store(name: str, figures: dict[str, Any], *packages: str) -> Path:
    """Write the figures of a run; give the file."""
    now = datetime.now(UTC)
    content = {
        "bench": name,
        "form": form,
        "date": now.isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": {package: version(package) for package in packages},
        **figures,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}-{now:%Y%m%dT%H%M%S}.json"
    path.write_text(json.dumps(content, indent=2) + "\n")
    print(f"{name}: {form}")
    return path
