"""Playback over real OPC UA and MQTT: every row, every bit, its own time."""

import asyncio
import csv
import os
import subprocess
from pathlib import Path

import pytest

from penstock.core.times import parse_rfc3339_ns
from penstock.simulators.recordings import SHIPPED
from tests.builders.simulators import (
    BIN,
    Collector,
    Subscriber,
    broker,
    parse,
    plant_folder,
    secure_client,
    subscribe,
    until,
)

pytestmark = pytest.mark.integration
ROWS = 2000


def record(path: Path) -> list[list[str]]:
    """Write a recording like those of public test rigs: `;`, local time, eight channels, two label columns."""
    header = ["datetime", *(f"Sensor {i}" for i in range(8)), "anomaly", "changepoint"]
    rows = []
    for i in range(ROWS):
        stamp = f"2020-03-09 {10 + i // 3600:02d}:{i // 60 % 60:02d}:{i % 60:02d}"
        values = [repr(0.1 * i + k if k else 32.0) for k in range(8)]  # channel 0 never changes
        rows.append([stamp, *values, "0.0", "1.0"])
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=";").writerows([header, *rows])
    return rows


def start(plant: Path, *arguments: str) -> subprocess.Popen[str]:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PENSTOCK_")}
    command = [str(BIN / "penstock"), "playback", *arguments, "--plant", str(plant)]
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


async def follow(plant: Path, device: str, pki: Path) -> tuple[Collector, list[str]]:
    """Do what a gateway does: see the file, subscribe everything in it, leave when it is disabled."""
    path = plant / "devices" / f"{device}.yaml"
    await until(path.is_file, "device file", 60)
    file = parse(path.read_text())
    nodes = [tag.source.node or "" for tag in file.tags.values()]
    connection = file.connection.settings
    async with secure_client(connection["endpoint"], pki=pki, trust=plant / "trust") as client:
        collector = await subscribe(client, connection["namespace"], nodes, publishing_ms=connection["publishing_ms"])
        await until(lambda: not parse(path.read_text()).enabled, "disabled", 100)
        await asyncio.sleep(0.3)
    return collector, nodes


async def test_no_row_is_lost_at_500_times_over_opcua(tmp_path: Path) -> None:
    rows = record(tmp_path / "data" / "valve1" / "0.csv")
    plant = plant_folder(tmp_path / "plant")
    process = start(plant, "valve1/0.csv", "--data", str(tmp_path / "data"), "--speed", "500")
    collector, nodes = await follow(plant, "playback-valve1-0", tmp_path / "pki")
    out, errors = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 0, errors
    assert f"{ROWS} rows × 8 channels = {ROWS * 8} values over opcua" in out
    assert nodes == [f"sensor-{i}" for i in range(8)]
    for k, node in enumerate(nodes):
        values = [data for data in collector.values[node] if data.StatusCode.is_good()]
        assert [data.Value.Value for data in values] == [float(row[k + 1]) for row in rows], node
        times = [data.SourceTimestamp.strftime("%Y-%m-%d %H:%M:%S") for data in values]
        assert times == [row[0] for row in rows], node


async def test_recording_that_ships_needs_no_argument(tmp_path: Path) -> None:
    plant = plant_folder(tmp_path / "plant")
    process = start(plant, "--speed", "400", "--columns", "Bearing band, Flow", "--stamps", "shifted")
    collector, nodes = await follow(plant, "playback-pump-bearing", tmp_path / "pki")
    _, errors = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 0, errors
    assert nodes == ["bearing-band", "flow"]
    with (SHIPPED / "pump-bearing.csv").open() as file:
        recorded = list(csv.DictReader(file))
    got = [data for data in collector.values["flow"] if data.StatusCode.is_good()]
    assert [data.Value.Value for data in got] == [float(row["Flow"]) for row in recorded]
    times = [round(data.SourceTimestamp.timestamp() * 1e6) for data in got]
    original = [parse_rfc3339_ns(row["time"]) // 1000 for row in recorded]
    assert {time - was for time, was in zip(times, original, strict=True)} == {times[0] - original[0]}
    assert abs(times[-1] / 1e6 - (plant / "devices" / "playback-pump-bearing.yaml").stat().st_mtime) < 60


def test_rows_go_over_mqtt_with_their_times(tmp_path: Path) -> None:
    rows = record(tmp_path / "0.csv")
    plant = plant_folder(tmp_path / "plant")
    with broker(tmp_path / "broker") as port:
        subscriber = Subscriber(port)
        process = start(
            plant, "0.csv", "--data", str(tmp_path), "--driver", "mqtt", "--speed", "500", "--gateway", "",
            "--broker", f"mqtt://127.0.0.1:{port}",
        )  # fmt: skip
        out, errors = process.communicate(timeout=90)
        assert process.returncode == 0, errors
        assert "over mqtt" in out
        asyncio.run(until(lambda: len(subscriber.messages) >= ROWS, "all messages"))
        subscriber.close()
    got = subscriber.of("plant/playback/playback-0")
    assert [payload["sensor-3"] for payload in got] == [float(row[4]) for row in rows]
    assert [payload["time"][:19].replace("T", " ") for payload in got] == [row[0] for row in rows]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["absent.csv", "--data", "."], "no such file"),
        (["--driver", "modbus"], "one of opcua, mqtt"),
        (["--columns", "Flwo"], "no column 'Flwo'; there are: Vibration velocity"),
    ],
)
def test_bad_input_is_answered_in_words(tmp_path: Path, arguments: list[str], says: str) -> None:
    process = start(plant_folder(tmp_path / "plant"), *arguments)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert says in errors


def test_somebody_elses_device_file_is_left_alone(tmp_path: Path) -> None:
    plant = plant_folder(tmp_path / "plant", **{"playback-pump-bearing": "version: 1\n"})
    process = start(plant)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "choose another --device" in errors
    assert (plant / "devices" / "playback-pump-bearing.yaml").read_text() == "version: 1\n"
