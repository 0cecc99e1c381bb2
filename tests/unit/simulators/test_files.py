"""Recordings, messages, outbox, state, certificates, load and the plant folder."""

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from penstock.core.device_file import DEVICE_FILE_MAX_BYTES
from penstock.core.errors import ConfigError
from penstock.core.status import BAD_NO_DATA, GOOD, UNCERTAIN
from penstock.core.values import ValueType
from penstock.simulators import playback_cli
from penstock.simulators.control import write_control_file
from penstock.simulators.demo_plant import DEMO_PLANT
from penstock.simulators.emission import Emission, Point
from penstock.simulators.fault_cli import commands as fault_commands
from penstock.simulators.folder import Changes, PlantFolder, is_simulated
from penstock.simulators.load import load_device_file
from penstock.simulators.main import commands
from penstock.simulators.payload import JsonMapping
from penstock.simulators.pki import TrustFolder, own_certificate
from penstock.simulators.playback import PlaybackError
from penstock.simulators.playback_cli import Order, playback
from penstock.simulators.recording import RecordingError, Span, read_recording, read_span, tag_name
from penstock.simulators.servers.mqtt import BrokerAddress, BrokerError
from penstock.simulators.servers.outbox import Message, Outbox
from penstock.simulators.state import StateFile
from tests.builders.ports import free_port
from tests.builders.simulators import SIGNALS_ONLY, parse, plant_folder, simulated

S = 1_000_000_000


def csv_file(folder: Path, text: str) -> Path:
    path = folder / "r.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separator_types_and_empty_cells_are_found_out(tmp_path: Path, separator: str) -> None:
    lines = ["datetime,a,b,c,d", "2020-03-09 10:14:33,1.50,7,true,", "2020-03-09T10:14:34.5Z,nan,-2,false,x y"]
    recording = read_recording(csv_file(tmp_path, "\n".join(lines).replace(",", separator) + "\n"))
    assert recording.times_ns == [1_583_748_873 * S, 1_583_748_874 * S + S // 2]
    types = {column.name: column.type for column in recording.columns}
    assert types == {"a": ValueType.FLOAT64, "b": ValueType.INT64, "c": ValueType.BOOL, "d": ValueType.STRING}
    assert recording.column("d").values == [None, "x y"]
    assert repr(recording.column("a").values) == "[1.5, nan]"


def test_labels_are_left_out_and_columns_chosen(tmp_path: Path) -> None:
    recording = read_recording(csv_file(tmp_path, "time,a,Anomaly,b\n1,1,0,2\n2,1,0,2\n"))
    assert [column.name for column in recording.only(None, ["anomaly"]).columns] == ["a", "b"]
    assert [column.name for column in recording.only(["b"], ["b"]).columns] == ["b"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n", "no time column; name one of: datetime"),
        ("time,a\n", "no rows"),
        ("time,a\n1,2,3\n", ":2: 3 cells where the header has 2"),
        ("time,a\nyesterday,2\n", "row 1: 'yesterday' is no time"),
        ("time,a\n2,1\n2,1\n", "row 2: time 1970-01-01T00:00:02"),
        ("time\n1\n", "no column beside the time"),
    ],
)
def test_wrong_recording_is_told(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(RecordingError) as caught:
        read_recording(csv_file(tmp_path, text))
    assert says in str(caught.value)


def test_parquet_keeps_types_and_nanoseconds(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    times = pa.array([1_700_000_000_123_456_789, 1_700_000_001_000_000_001], pa.timestamp("ns", "UTC"))
    pq.write_table(pa.table({"time": times, "f": [0.1, None], "i": [1, 2], "b": [True, False], "s": ["x", None]}), path)
    recording = read_recording(path)
    assert recording.times_ns == [1_700_000_000_123_456_789, 1_700_000_001_000_000_001]
    assert [list(column.values) for column in recording.columns] == [[0.1, None], [1, 2], [True, False], ["x", None]]
    assert read_span(path) == Span(2, recording.times_ns[0], recording.times_ns[1])


NS = 1_700_000_000_123_456_789


@pytest.mark.parametrize(
    ("times", "first_ns"),
    [
        (pa.array([NS, NS + 1], pa.int64()), NS),
        (pa.array([NS, NS + 1], pa.uint64()), NS),
        (pa.array([1_700_000_000, 1_700_000_001], pa.timestamp("s")), 1_700_000_000 * S),
        (pa.array([1_700_000_000_123_456, 1_700_000_001_000_000], pa.timestamp("us")), NS // 1000 * 1000),
        (pa.array([1_700_000_000, 1_700_000_001], pa.int32()), 1_700_000_000 * S),
        (pa.array([1_700_000_000.5, 1_700_000_001.0], pa.float64()), 1_700_000_000 * S + S // 2),
        (pa.array(["2023-11-14T22:13:20Z", "2023-11-14T22:13:21Z"]), 1_700_000_000 * S),
    ],
)
def test_type_of_a_parquet_column_says_the_unit_of_time(tmp_path: Path, times: pa.Array, first_ns: int) -> None:
    path = tmp_path / "r.parquet"
    pq.write_table(pa.table({"a": [1.0, 2.0], "time": times}), path)
    assert read_recording(path).times_ns[0] == first_ns
    assert read_span(path).first_ns == first_ns


def test_number_of_a_csv_is_seconds(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "time,a\n1700000000,1\n1700000001,2\n")
    assert read_span(path) == Span(2, 1_700_000_000 * S, 1_700_000_001 * S)


def test_integers_that_look_like_seconds_are_told(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    pq.write_table(pa.table({"time": pa.array([1_700_000_000, 1_700_000_001]), "a": [1.0, 2.0]}), path)
    for read in (read_recording, read_span):
        with pytest.raises(RecordingError, match=r"the time column: .* looks like seconds; write a timestamp"):
            read(path)


def test_nulls_and_nans_of_parquet_stay_apart(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    values = pa.array([None, float("nan"), -0.0, 1.5], pa.float64())
    empty = pa.array([None] * 4, pa.float64())
    pq.write_table(pa.table({"time": pa.array([NS, NS + 1, NS + 2, NS + 3]), "a": values, "b": empty}), path)
    recording = read_recording(path)
    assert repr(list(recording.column("a").values)) == "[None, nan, -0.0, 1.5]"
    assert list(recording.column("a").values[2:]) == [-0.0, 1.5]
    assert (recording.column("b").type, list(recording.column("b").values)) == (ValueType.FLOAT64, [None] * 4)


def test_what_is_no_parquet_is_told(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    path.write_text("time,a\n")
    for read in (read_recording, read_span):
        with pytest.raises(RecordingError, match="cannot be read as Parquet"):
            read(path)


def test_names_of_columns_become_names_of_tags() -> None:
    assert tag_name("Volume Flow RateRMS") == "volume-flow-raterms"
    assert tag_name("°") == "channel"


def message(text: str, *points: Point, time_ns: int = 5 * S) -> list[tuple[str, object]]:
    mapping = JsonMapping(parse(text))
    return [(topic, json.loads(payload)) for topic, payload in mapping.messages(Emission("tank", time_ns, points))]


def test_tags_of_one_topic_go_in_one_message_with_one_time() -> None:
    got = message(SIGNALS_ONLY, Point("level", 1.5, GOOD), Point("fills", 3, GOOD))
    assert got == [("plant/tank", {"level": 1.5, "fills": 3, "time": "1970-01-01T00:00:05.000000000Z"})]


def test_time_unit_quality_and_nested_fields() -> None:
    text = SIGNALS_ONLY.replace("time_field: time", "time_field: meta.t, time_unit: ms, quality_field: meta.q")
    text = text.replace("{field: level}", "{field: a.b.level, quality_field: a.q}")
    ((_, payload),) = message(text, Point("level", None, BAD_NO_DATA), Point("fills", 3, UNCERTAIN))
    assert payload == {"a": {"b": {"level": None}, "q": BAD_NO_DATA}, "fills": 3, "meta": {"t": 5000, "q": BAD_NO_DATA}}


def test_payload_may_be_the_value_itself() -> None:
    text = SIGNALS_ONLY.replace("{field: level}", "{topic: plant/level}")
    got = message(text, Point("level", float("inf"), GOOD), Point("fills", 3, GOOD))
    assert got[0] == ("plant/level", None)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("topic: plant/tank, ", "", "an MQTT tag needs a topic"),
        ("plant/tank", "plant/+", "not to a filter"),
        ("{field: level}", "{}", "the topic also serves level, fills"),
        ("time_field: time", "time_field: time, time_unit: h", "time_unit 'h' is none of: s, ms"),
    ],
)
def test_mapping_that_cannot_be_is_told(old: str, new: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        JsonMapping(parse(SIGNALS_ONLY.replace(old, new)))
    assert says in str(caught.value)


def test_outbox_keeps_order_over_restarts_and_drops_the_oldest_counted(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.sqlite", messages_max=3)
    assert outbox.add([Message("t", b"1"), Message("t", b"2")]) == []
    outbox.close()
    outbox = Outbox(tmp_path / "o.sqlite", messages_max=3)
    dropped = outbox.add([Message("t", b"3", "d", 5, 6), Message("t", b"4")])
    assert [one.payload for one in dropped] == [b"1"]
    assert (len(outbox), outbox.dropped) == (3, 1)
    rows = outbox.after(0, 10)
    assert [one for _, one in rows] == [Message("t", b"2"), Message("t", b"3", "d", 5, 6), Message("t", b"4")]
    outbox.done([rows[0][0], rows[0][0]])
    assert len(outbox) == 2
    assert outbox.after(rows[1][0], 10) == rows[2:]
    outbox.close()


def test_broker_address_takes_no_password() -> None:
    assert BrokerAddress.parse("mqtt://b:1884") == BrokerAddress("b", 1884)
    with pytest.raises(BrokerError, match="credentials file"):
        BrokerAddress.parse("mqtt://user:secret@b")
    for url in ("http://b", "b:1883", "mqtt://b:99999", "mqtt://b:abc", "mqtts://b"):
        with pytest.raises(BrokerError, match="write mqtt://host:port"):
            BrokerAddress.parse(url)


def test_broken_state_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    StateFile(path).write({"a": {"x": 1}})
    state = StateFile(path)
    state.write({"b": {}})
    assert StateFile(path).devices == {"a": {"x": 1}, "b": {}}
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("{")
    assert StateFile(path).devices == {}
    assert path.with_suffix(".broken").read_text() == "{"


def test_own_certificate_is_made_once_and_published(tmp_path: Path) -> None:
    first = own_certificate(tmp_path / "pki", name="sim", hosts={"plc", "10.0.0.1"}, trust=tmp_path / "trust")
    content = first.certificate.read_bytes()
    (tmp_path / "trust" / "sim.der").unlink()
    again = own_certificate(tmp_path / "pki", name="sim", hosts=set(), trust=tmp_path / "trust")
    assert again.certificate.read_bytes() == content == (tmp_path / "trust" / "sim.der").read_bytes()
    assert first.key.stat().st_mode & 0o777 == 0o600
    trust = TrustFolder(tmp_path / "trust")
    assert trust.trusts(content)
    assert not trust.trusts(None)
    assert not trust.trusts(b"nonsense")
    (tmp_path / "trust" / "sim.der").unlink()
    assert not trust.trusts(content)


def test_control_file_is_secret_and_new_each_time(tmp_path: Path) -> None:
    path = tmp_path / "sim-control.json"
    tokens = {write_control_file(path, "http://127.0.0.1:1") for _ in range(2)}
    assert len(tokens) == 2
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["token"] in tokens


@pytest.mark.parametrize("driver", ["mqtt", "opcua"])
def test_load_device_has_as_many_tags_as_asked(driver: str) -> None:
    text = load_device_file(device="load", tags=50, rate_hz=20, driver=driver)
    file = parse(text)
    assert len(file.tags) == 50
    assert is_simulated(file)
    device = simulated(text)
    device.start(0)
    emissions = list(device.emit(S))
    assert sum(len(emission.points) for emission in emissions) == 1000
    counts = [point.value for emission in emissions for point in emission.points if point.tag == "count"]
    assert counts == list(range(1, 21))


def settle(folder: PlantFolder) -> Changes:
    """Look as if what was written had stood still for one look."""
    return folder.look(settled=True)


def test_folder_tells_what_is_new_changed_and_gone(tmp_path: Path) -> None:
    plant = plant_folder(tmp_path, tank=SIGNALS_ONLY)
    folder = PlantFolder(plant, {})
    assert [file.device for file in settle(folder).added] == ["tank"]
    assert not settle(folder)
    plant_folder(plant, tank=SIGNALS_ONLY.replace("period_s: 60", "period_s: 61"))
    assert [file.device for file in settle(folder).changed] == ["tank"]
    plant_folder(plant, tank="version: 1\ndevice: tank\n")
    assert not settle(folder)
    assert "is missing" in str(folder.errors[str(plant / "devices" / "tank.yaml")])
    plant_folder(plant, tank=SIGNALS_ONLY.replace("version: 1", "version: 1\nenabled: false"))
    assert settle(folder).removed == ["tank"]
    assert folder.errors == {}


def test_second_file_with_the_same_name_is_told_and_the_first_goes_on(tmp_path: Path) -> None:
    plant = plant_folder(tmp_path, a=SIGNALS_ONLY, b=SIGNALS_ONLY)
    folder = PlantFolder(plant, {})
    (file,) = settle(folder).added
    assert file.file.endswith("a.yaml")
    assert "already described" in str(folder.errors[str(plant / "devices" / "b.yaml")])
    (plant / "devices" / "a.yaml").unlink()
    folder.look()
    assert folder.errors == {}


def test_running_device_keeps_its_name_and_a_mended_or_removed_double_leaves_no_error(tmp_path: Path) -> None:
    plant = plant_folder(tmp_path, z=SIGNALS_ONLY)
    folder = PlantFolder(plant, {})
    settle(folder)
    plant_folder(plant, a=SIGNALS_ONLY, b=SIGNALS_ONLY)
    assert not settle(folder)
    assert sorted(Path(file).name for file in folder.errors) == ["a.yaml", "b.yaml"]
    (plant / "devices" / "b.yaml").unlink()
    plant_folder(plant, a=SIGNALS_ONLY.replace("device: tank", "device: other"))
    assert [file.device for file in settle(folder).added] == ["other"]
    assert folder.errors == {}


def test_double_that_breaks_says_what_is_wrong_now_and_a_gone_folder_nothing(tmp_path: Path) -> None:
    plant = plant_folder(tmp_path, a=SIGNALS_ONLY, b=SIGNALS_ONLY)
    odd = plant / "devices" / "dir.yaml"
    odd.mkdir()
    folder = PlantFolder(plant, {})
    settle(folder)
    assert "not a regular file" in str(folder.errors[str(odd)])
    odd.rmdir()
    plant_folder(plant, b="version: 1\ndevice: tank\n")
    settle(folder)
    ((file, error),) = folder.errors.items()
    assert file.endswith("b.yaml")
    assert "is missing" in str(error)


def test_file_that_grows_is_read_once_it_stands_still(tmp_path: Path) -> None:
    plant = plant_folder(tmp_path)
    folder = PlantFolder(plant, {})
    folder.look()
    plant_folder(plant, tank=SIGNALS_ONLY[: len(SIGNALS_ONLY) // 2])
    assert not folder.look()
    plant_folder(plant, tank=SIGNALS_ONLY)
    assert not folder.look()
    assert [file.device for file in folder.look().added] == ["tank"]
    assert folder.errors == {}


def test_large_file_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = plant_folder(tmp_path, tank="#" * (DEVICE_FILE_MAX_BYTES + 1))
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("read"))
    folder = PlantFolder(plant, {})
    settle(folder)
    assert "split the device" in str(folder.errors[str(plant / "devices" / "tank.yaml")])


@pytest.mark.parametrize("words", [["playback", "--plant"], ["load", "--plant"]])
def test_absent_plant_folder_is_one_line(tmp_path: Path, words: list[str]) -> None:
    app = playback if words[0] == "playback" else commands
    result = CliRunner().invoke(app, [*words[words[0] == "playback" :], str(tmp_path / "none")])
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert str(tmp_path / "none" / "devices") in result.output


def test_playback_of_a_file_that_is_nowhere_says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(playback, ["nope.csv", "--plant", str(plant_folder(tmp_path / "plant"))])
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert f"no file or folder {tmp_path / 'nope.csv'}, and no recording of that name ships" in result.output
    assert "(pump-bearing.csv)" in result.output


def test_demo_plant_has_six_devices_and_some_fifty_values_a_second() -> None:
    folder = PlantFolder(DEMO_PLANT, dict(os.environ))
    files = settle(folder).added
    assert folder.errors == {}
    assert len(files) == 6
    assert 30 <= sum(tag.rate_hz or 1.0 for file in files for tag in file.tags.values()) <= 60
    for file in files:
        for tag in file.tags:
            assert not {"severity", "wear", "fault", "truth"} & set(tag.split("_"))


def test_faults_of_simulators_that_are_gone_are_told_in_a_sentence(tmp_path: Path) -> None:
    write_control_file(tmp_path / "sim-control.json", url := f"http://127.0.0.1:{free_port()}")
    told = CliRunner().invoke(fault_commands, ["inject", "bearing", "--control", str(tmp_path / "sim-control.json")])
    assert told.exit_code == 1
    assert told.output.startswith(f"no simulators answer at {url}")
    assert isinstance(told.exception, SystemExit), "no traceback"


@pytest.mark.parametrize(("kept", "broker"), [(True, "mqtt://127.0.0.1:19830"), (False, "mqtt://127.0.0.1:18830")])
def test_playback_finds_the_broker_of_the_demo_that_keeps_the_plant(
    kept: bool, broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = plant_folder(tmp_path / "plant")
    if kept:
        (tmp_path / "ports.json").write_text('{"mqtt": 19830, "gateway": 19090}')
    planned: list[str] = []

    def stop(_path: Path, order: Order, run: Any, **_: object) -> None:
        planned.extend((order.address, run.keywords["watch"].url))
        message = "planned"
        raise PlaybackError(message)

    monkeypatch.setattr(playback_cli, "_play_file", stop)
    monkeypatch.delenv("PENSTOCK_MQTT_URL", raising=False)
    CliRunner().invoke(playback, ["--driver", "mqtt", "--plant", str(plant)])
    assert planned == [broker, f"http://127.0.0.1:{19090 if kept else 8090}"]
