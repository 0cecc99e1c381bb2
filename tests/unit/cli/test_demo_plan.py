import json
import os
import socket
import stat
from dataclasses import fields
from pathlib import Path

import pytest
from typer.testing import CliRunner

from penstock.cli.demo import broker, plan
from penstock.cli.demo.command import only_one
from penstock.cli.demo.layout import LOG_BYTES_MAX, DemoError, Layout, Ports
from penstock.cli.demo.plan import Parts, check_ports, environment
from penstock.cli.demo.readiness import Patience, connect_packet
from penstock.cli.main import cli


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    source = tmp_path / "source"
    (source / "devices").mkdir(parents=True)
    (source / "plant.yaml").write_text("version: 1\n")
    (source / "__init__.py").touch()
    made = Layout(tmp_path / "data")
    made.prepare(plant_source=source)
    return made


def test_the_plant_is_copied_once_and_then_left_alone(layout: Layout, tmp_path: Path) -> None:
    (layout.plant / "plant.yaml").write_text("mine")
    (layout.plant / "devices" / "own.yaml").write_text("own")
    layout.prepare(plant_source=tmp_path / "source")
    assert (layout.plant / "plant.yaml").read_text() == "mine"
    assert (layout.plant / "devices" / "own.yaml").exists()


def test_the_copy_leaves_out_what_makes_the_plant_a_package(layout: Layout) -> None:
    assert sorted(path.name for path in layout.plant.iterdir()) == ["devices", "plant.yaml"]


def test_a_folder_of_devices_without_a_plant_is_kept_and_completed(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "plant.yaml").write_text("version: 1\n")
    layout = Layout(tmp_path / "data")
    (layout.plant / "devices").mkdir(parents=True)
    (layout.plant / "devices" / "own.yaml").write_text("own")
    layout.prepare(plant_source=tmp_path / "source")
    assert (layout.plant / "plant.yaml").exists()
    assert (layout.plant / "devices" / "own.yaml").read_text() == "own"


def test_passwords_are_made_once_and_open_to_their_owner_alone(layout: Layout) -> None:
    first = layout.mqtt_user("mqtt-sim", "simulators")
    assert layout.mqtt_user("mqtt-sim", "simulators") == first
    assert first != layout.mqtt_user("mqtt-gateway", "gateway")
    assert mode(layout.secret("mqtt-sim.json")) == 0o600
    assert mode(layout.secrets) == 0o700
    assert mode(broker.configure(layout, Ports())) == 0o600


def test_a_long_log_is_set_aside(layout: Layout, tmp_path: Path) -> None:
    log = layout.log("gateway")
    with log.open("wb") as file:
        file.truncate(LOG_BYTES_MAX + 1)
    layout.prepare(plant_source=tmp_path / "source")
    assert not log.exists()
    assert log.with_suffix(".log.old").exists()


def test_the_broker_listens_on_loopback_syncs_each_write_and_lets_nobody_in_by_another_door(layout: Layout) -> None:
    body = json.loads(broker.configuration(layout, Ports()))
    assert {body["host"], body["mqtt"]["host"]} == {"127.0.0.1"}
    assert body["jetstream"]["sync_interval"] == "always"
    assert all(user["allowed_connection_types"] == ["MQTT"] for user in body["authorization"]["users"])


def test_a_folder_of_any_letters_stands_in_the_broker_s_file_as_it_is(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "jürgens Anlage")
    layout.secrets.mkdir(parents=True)
    told = broker.configuration(layout, Ports())
    assert "jürgens Anlage" in told, "nats-server knows no \\u escapes"


def test_two_uses_of_one_port_are_told() -> None:
    free = {f.name: 0 for f in fields(Ports)}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    with pytest.raises(DemoError, match=f"port {number} is meant for platform and gateway"):
        check_ports(Ports(**free | {"platform": number, "gateway": number}), Parts())


def test_a_data_folder_that_cannot_be_made_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = CliRunner().invoke(cli, ["demo", "--no-browser", "--data", str(tmp_path / "file")])
    assert told.exit_code == 1
    assert "cannot be made" in told.output
    assert "--data" in told.output
    assert CliRunner().invoke(cli, ["demo", "--platform-port", "99999"]).exit_code == 2


def test_a_taken_port_is_told_with_its_use_its_holder_and_the_option_that_changes_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        free = {f.name: 0 for f in fields(Ports)}
        with pytest.raises(DemoError) as refused:
            check_ports(Ports(**{**free, "platform": number}), Parts())
        assert f"port {number} (platform) is taken by process {os.getpid()}" in str(refused.value)
        assert "--platform-port" in str(refused.value)
        check_ports(Ports(**{**free, "maintenance": number}), Parts(apps=False))


def test_settings_of_the_caller_reach_the_processes_but_for_what_the_demo_decides(layout: Layout) -> None:
    taken = {
        "PENSTOCK_PLATFORM_RETENTION_DAYS": "7",
        "PENSTOCK_PLATFORM_GENERATION_ROWS": "100000",
        "PENSTOCK_PLANT_HOST": "10.0.0.7",
        "PATH": "/bin",
    }
    decided = {
        "PENSTOCK_PLATFORM_HOST": "0.0.0.0",
        "PENSTOCK_GATEWAY_HEALTH_HOST": "0.0.0.0",
        "PENSTOCK_SIM_CONTROL_HOST": "0.0.0.0",
        "PENSTOCK_APP_HOST": "0.0.0.0",
        "PENSTOCK_PLATFORM_DATA": "/elsewhere",
    }
    withheld = {"PENSTOCK_PLATFORM_DATABASE_URL": "postgresql://theirs", "PENSTOCK_PLATFORM_TLS_CERTIFICATE": "/c.pem"}
    environ = environment(layout, Ports(), taken | decided | withheld)
    assert taken.items() <= environ.items()
    assert not withheld.keys() & environ.keys()
    assert environ["PENSTOCK_PLATFORM_DATA"] == str(layout.data.absolute() / "platform")
    hosts = {environ[name] for name in decided if name.endswith("_HOST")}
    assert hosts == {"127.0.0.1"}, "whatever the caller sets, the demo is reached from this machine alone"


def test_settings_that_the_demo_does_not_take_over_are_named(layout: Layout) -> None:
    given = {
        "PENSTOCK_PLATFORM_RETENTION_DAYS": "7",
        "PENSTOCK_PLATFORM_PORT": "9080",
        "PENSTOCK_PLATFORM_DATABASE_URL": "postgresql://theirs",
        "PENSTOCK_APP_PORT": "9081",
        "PENSTOCK_OPCUA_PUMP_PORT": "4840",
        "PYTHONUNBUFFERED": "0",
    }
    names = plan.ignored(layout, Ports(), given)
    assert names == ["PENSTOCK_APP_PORT", "PENSTOCK_PLATFORM_DATABASE_URL", "PENSTOCK_PLATFORM_PORT"]


def test_what_others_need_is_started_first_and_stopped_last(layout: Layout) -> None:
    specs = plan.plan(layout, Ports(), Parts())
    names = [s.name for s in specs]
    assert names == ["broker", "platform", "simulators", "gateway", "monitoring", "maintenance"]
    assert all(names.index(before) < names.index(s.name) for s in specs for before in s.after)
    assert [s.name for s in plan.plan(layout, Ports(), Parts(simulators=False, apps=False))] == [
        "broker",
        "platform",
        "gateway",
    ]


def test_each_app_has_its_own_credential_and_folder(layout: Layout) -> None:
    specs = {s.name: s.environ for s in plan.plan(layout, Ports(), Parts())}
    assert specs["monitoring"]["PENSTOCK_APP_CREDENTIALS"].endswith("secrets/monitoring.json")
    assert specs["monitoring"]["PENSTOCK_APP_DATA"] != specs["maintenance"]["PENSTOCK_APP_DATA"]
    assert "PENSTOCK_APP_CREDENTIALS" not in specs["gateway"]


def test_the_laboratory_has_another_host_name_than_the_apps_and_no_link_where_no_machine_runs(layout: Layout) -> None:
    """Cookies know no ports: under 127.0.0.1 the platform and the apps would be sent the laboratory's."""
    ports = Ports(laboratory=9092)
    environ = environment(layout, ports, {})
    assert environ["PENSTOCK_SIM_LABORATORY_URL"] == "http://localhost:9092"
    others = [environ["PENSTOCK_PLATFORM_PUBLIC_URL"], *(ports.url(name) for name in ("monitoring", "maintenance"))]
    assert not any("localhost" in url for url in others)
    specs = {one.name: one.environ for one in plan.plan(layout, ports, Parts())}
    assert specs["maintenance"]["PENSTOCK_MAINTENANCE_LABORATORY_URL"] == "http://localhost:9092"
    alone = {one.name: one.environ for one in plan.plan(layout, ports, Parts(simulators=False))}
    assert "PENSTOCK_MAINTENANCE_LABORATORY_URL" not in alone["maintenance"]


def test_two_demos_do_not_share_a_folder(tmp_path: Path) -> None:
    with only_one(tmp_path), pytest.raises(DemoError, match="another demo is running"), only_one(tmp_path):
        pass
    with only_one(tmp_path):
        pass


def test_the_login_packet_is_mqtt_3_1_1() -> None:
    packet = connect_packet("u", "p")
    assert packet[:2] == bytes([0x10, len(packet) - 2])
    assert packet[2:10] == b"\x00\x04MQTT\x04\xc2"
    assert packet.endswith(b"\x00\x01u\x00\x01p")


def test_a_process_whose_devices_are_starting_is_waited_for_but_not_for_ever() -> None:
    patience, starting = Patience(45.0), {"status": "starting"}
    assert not patience.is_ready(None, 0.0)
    assert not patience.is_ready(starting, 10.0)
    assert not patience.is_ready(starting, 54.9)
    assert patience.is_ready(starting, 55.0)
    assert not patience.is_ready(starting, 60.0), "after a restart the time begins anew"
    assert not patience.is_ready(None, 90.0)
    assert not patience.is_ready(starting, 100.0)
    assert patience.is_ready({"status": "degraded"}, 101.0)
