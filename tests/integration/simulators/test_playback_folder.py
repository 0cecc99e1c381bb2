"""A folder of recordings through a real broker or OPC UA server and a real gateway: every value, with its own time."""

import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.core.status import BAD_NO_DATA, GOOD
from tests.builders.gateway import FakePlatform, GatewayProcess, Row, wait_until
from tests.builders.simulators import BIN, broker, parse

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]
NAMES = ("asset_01", "asset_02", "asset_03", "line/pump_a", "line/pump_b")
DEVICES = ("asset-01", "asset-02", "asset-03", "line-pump-a", "line-pump-b")
ROWS = 300
CHANNELS = 6
START_ns = 1_600_000_000_123_456_000
Sample = tuple[str, int, int, Any]


@pytest.fixture
def platform() -> Iterator[FakePlatform]:
    fake = FakePlatform()
    fake.start()
    yield fake
    fake.stop()


@pytest.fixture
def gateway(tmp_path: Path, platform: FakePlatform) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path / "edge-1", platform.url)
    process.start()
    yield process
    process.kill()


def record(folder: Path) -> set[Sample]:
    """Write a study: nanoseconds, float64 with nulls, a text and a count; give what the historian should have."""
    chance = Random(7)
    expected: set[Sample] = set()
    for n, (name, device) in enumerate(zip(NAMES, DEVICES, strict=True)):
        times = [START_ns + n * 977_000 + row * 60_000_000_000 for row in range(ROWS)]
        columns: dict[str, list[Any]] = {
            f"ch{k:02d}": [None if chance.random() < 0.05 else chance.gauss(k, 1) for _ in times]
            for k in range(CHANNELS)
        }
        columns |= {"count": [row * 2**33 for row in range(ROWS)], "mode": [f"m{row // 10}" for row in range(ROWS)]}
        path = folder / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"time": pa.array(times, pa.int64()), **columns}), path)
        for channel, values in columns.items():
            for time_ns, value in zip(times, values, strict=True):
                expected.add((f"{device}/{channel}", time_ns, BAD_NO_DATA if value is None else GOOD, bits(value)))
    (folder / "study.json").write_text("{}")
    return expected


def bits(value: Any) -> Any:
    return struct.pack("<d", value) if isinstance(value, float) else value


def play(gateway: GatewayProcess, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PENSTOCK_")}
    plant = str(gateway.folder / "plant")
    command = [str(BIN / "penstock"), "playback", str(folder), "--plant", plant, *arguments]
    if "--gateway" not in arguments:
        command += ["--gateway", f"http://127.0.0.1:{gateway.port}"]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=False)


def journalled(platform: FakePlatform) -> list[Row]:
    """Give what was played: not what a tag reads before its first value, nor the mark of a gap."""
    return [row for row in platform.rows() if row.status in (GOOD, BAD_NO_DATA)]


def samples(rows: list[Row]) -> set[Sample]:
    return {(row.key, row.time_ns, row.status, bits(row.value)) for row in rows}


def in_order(rows: list[Row]) -> bool:
    """Say whether each tag's times rise; a broker may send a message again behind others, equal."""
    newest: dict[str, int] = {}
    seen: set[tuple[str, int]] = set()
    for row in rows:
        if (row.key, row.time_ns) in seen:
            continue
        seen.add((row.key, row.time_ns))
        if row.time_ns < newest.get(row.key, 0):
            return False
        newest[row.key] = row.time_ns
    return True


@pytest.fixture(params=["opcua", "mqtt"])
def wire(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[str]]:
    """Give the options of a wire, with what it needs running."""
    if request.param == "opcua":
        yield ["--driver", "opcua"]
        return
    with broker(tmp_path / "broker") as port:
        yield ["--driver", "mqtt", "--broker", f"mqtt://127.0.0.1:{port}"]


def test_five_recordings_at_once_arrive_value_by_value(
    tmp_path: Path, platform: FakePlatform, gateway: GatewayProcess, wire: list[str]
) -> None:
    expected = record(tmp_path / "study")
    done = play(gateway, tmp_path / "study", *wire, "--speed", "0", "--at-once", "5")
    assert done.returncode == 0, done.stdout + done.stderr
    values = len(expected)
    assert f"5 of 5 devices played: {5 * ROWS} rows, {values} values in" in done.stdout
    assert "stamped 2020-09-13T12:26:40.123456000Z to 2020-09-13T17:25:40.127364000Z" in done.stdout
    # the playback ended when the gateway had everything: only the way to the platform is waited for
    assert gateway.health()["intake"]["samples"] >= values
    wait_until(lambda: samples(journalled(platform)) >= expected, "all samples at the platform")
    assert samples(journalled(platform)) == expected
    assert in_order(journalled(platform))
    for device in DEVICES:
        path = gateway.folder / "plant" / "devices" / f"{device}.yaml"
        assert not parse(path.read_text()).enabled
    wait_until(lambda: not gateway.health()["devices"], "the gateway leaves")
    assert gateway.health()["files"] == {}


def test_folder_plays_again_on_one_shift_and_leaves_nothing(
    tmp_path: Path, platform: FakePlatform, gateway: GatewayProcess, wire: list[str]
) -> None:
    original = record(tmp_path / "study")
    first = play(gateway, tmp_path / "study", *wire, "--speed", "0", "--at-once", "2")
    again = play(
        gateway, tmp_path / "study", *wire, "--speed", "0", "--at-once", "2", "--stamps", "shifted", "--clean"
    )  # fmt: skip
    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stdout + again.stderr
    assert list((gateway.folder / "plant" / "devices").iterdir()) == []
    wait_until(lambda: len(samples(journalled(platform))) >= 2 * len(original), "both playbacks at the platform")
    shifted = samples(journalled(platform)) - original
    newest = max(time_ns for _, time_ns, _, _ in shifted)
    shift = newest - max(time_ns for _, time_ns, _, _ in original)
    assert shifted == {(key, time_ns + shift, status, value) for key, time_ns, status, value in original}


def test_failing_devices_are_named_and_do_not_stop_the_others(
    tmp_path: Path, platform: FakePlatform, gateway: GatewayProcess, wire: list[str]
) -> None:
    study = tmp_path / "study"
    expected = record(study)
    (study / "asset_00.parquet").write_text("no Parquet")
    (study / "later.csv").write_text("time,a\n9000000000,1\n9000000060,2\n")
    (study / "twin_1.csv").write_text("time,a\n1,1\n")
    (study / "twin-1.csv").write_text("time,a\n1,1\n")
    (study / "mine.csv").write_text("time,a\n1,1\n")
    (study / "taken.csv").write_text("time,a\n1,1\n")
    gateway.device("mine", "version: 1\ndevice: mine\nenabled: false\n")
    other = "version: 1\ndevice: taken\nenabled: false\nconnection: {driver: mqtt, broker: 'mqtt://127.0.0.1:1'}\n"
    gateway.device("a-file-of-another-name", other + "tags: {a: {type: float64, source: {topic: t}}}\n")
    done = play(gateway, study, *wire, "--speed", "0")
    assert done.returncode == 1
    for says in (
        "asset-00: asset_00.parquet is not played: ",
        "cannot be read as Parquet",
        "later: later.csv is not played: its last row would be stamped 2255-03-14T16:01:00.000000000Z, in the future",
        "twin-1: twin-1.csv is not played: twin_1.csv would be the same device twin-1",
        "twin-1: twin_1.csv is not played: twin-1.csv would be the same device twin-1",
        "mine: mine.csv was not played to its end: ",
        "was not made by playback",
        "taken: taken.csv was not played to its end: the gateway refuses it: taken.yaml: device: 'taken' is already",
    ):
        assert says in done.stderr, done.stderr
    assert "5 of 11 devices played" in done.stdout
    assert "not played: asset-00, later, twin-1, twin-1, mine, taken" in done.stdout
    wait_until(lambda: samples(journalled(platform)) >= expected, "all samples of the others")


def test_folder_without_recordings_and_a_single_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "a.csv").write_text("time,a\n1,1\n")
    gateway = GatewayProcess(tmp_path / "edge-1", "http://127.0.0.1:1")
    done = play(gateway, tmp_path / "study", "--device", "b")
    assert done.returncode == 1
    assert "--device names one device" in done.stderr
    (tmp_path / "empty").mkdir()
    done = play(gateway, tmp_path / "empty")
    assert done.returncode == 1
    assert "no *.parquet and no *.csv below it" in done.stderr
