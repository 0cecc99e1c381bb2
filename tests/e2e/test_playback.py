"""Recorded data played through the whole stack comes back row for row, with source times and values unchanged."""

import csv
import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from importlib.resources import files
from pathlib import Path

import httpx
import pytest

from penstock.core.times import NS_PER_S, parse_rfc3339_ns
from penstock.simulators.recording import tag_name
from tests.builders.stack import BIN, Stack, wait_for

LABELS = {"anomaly", "changepoint"}
SHIPPED = Path(str(files("penstock.simulators"))) / "recordings" / "pump-bearing.csv"
ROWS_MAX = 3000
"""The shipped recording is played in part: at ×50 an hour of it takes 72 s."""
RECORDINGS = [pytest.param(SHIPPED.parent, SHIPPED.name, id="shipped")]
if "PENSTOCK_TEST_DATA" in os.environ:  # CI sets it where the public sets are at hand, and says so where they are not
    RECORDINGS.append(pytest.param(Path(os.environ["PENSTOCK_TEST_DATA"]) / "skab", "valve1/0.csv", id="skab"))

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    plant = tmp_path / "plant"
    (plant / "devices").mkdir(parents=True)
    (plant / "types").mkdir()
    (plant / "plant.yaml").write_text("version: 1\nenterprise: penstock\n")
    stack = Stack(tmp_path / "run", plant)
    try:
        for name in ("broker", "platform", "gateway"):
            stack.start(name)
        yield stack
    finally:
        stack.close()


@pytest.mark.parametrize(("folder", "name"), RECORDINGS)
def test_playback_over_opcua_at_fifty_times_returns_every_row(
    stack: Stack, tmp_path: Path, folder: Path, name: str
) -> None:
    source = tmp_path / "recordings" / name
    source.parent.mkdir(parents=True)
    shutil.copy(folder / name, source)
    shorten(source)
    words = f"playback {name} --speed 50 --driver opcua --device play --gateway {stack.url('gateway')}"
    folders = ["--data", str(tmp_path / "recordings"), "--plant", str(stack.plant)]
    done = subprocess.run(
        [str(BIN / "penstock"), *words.split(), *folders],
        env=stack.process_environment("sim"),
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = recorded(source)
    with stack.client() as client:
        for channel, values in said.items():
            returned = partial(read_back, client, f"play/{tag_name(channel)}")
            wait_for(partial(at_least, returned, len(values)), f"all of {channel}", 60)
            assert returned() == values, channel


def at_least(returned: Callable[[], list[tuple[int, bytes]]], rows: int) -> bool:
    """Say whether that many rows are there."""
    return len(returned()) >= rows


def shorten(path: Path) -> None:
    """Keep the first rows only."""
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[: ROWS_MAX + 1]))


def recorded(path: Path) -> dict[str, list[tuple[int, bytes]]]:
    """Read a recording: channel → (source time in ns UTC, the value's bits) in the order of time."""
    with path.open(newline="") as file:
        dialect = csv.Sniffer().sniff(file.readline(), ";,\t")
        file.seek(0)
        rows = list(csv.DictReader(file, dialect=dialect))
    clock = next(name for name in rows[0] if name.lower() in {"datetime", "time"})
    channels: dict[str, list[tuple[int, bytes]]] = {
        name: [] for name in rows[0] if name != clock and name not in LABELS
    }
    for row in rows:
        moment = datetime.fromisoformat(row[clock])
        time_ns = int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()) * NS_PER_S
        for name, values in channels.items():
            values.append((time_ns, struct.pack("<d", float(row[name]))))
    return {name: sorted(values) for name, values in channels.items()}


def read_back(client: httpx.Client, key: str) -> list[tuple[int, bytes]]:
    """Read every Good sample of a tag through the API: (source time, the value's bits)."""
    tag = client.get("/v1/tags", params={"key": key}).raise_for_status().json()["items"][0]["id"]
    params: dict[str, str | int] = {"tag": tag, "start": "2000-01-01T00:00:00Z", "end": "now", "limit": 100_000}
    columns = client.get("/v1/samples", params=params).raise_for_status().json()["columns"]
    return [
        (parse_rfc3339_ns(moment), struct.pack("<d", value))
        for moment, value, status in zip(columns["time"], columns["value"], columns["status"], strict=True)
        if status == 0
    ]
