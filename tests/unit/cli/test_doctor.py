import shutil
import socket
from dataclasses import fields
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from threading import Thread

import httpx
import pytest
from typer.testing import CliRunner

from penstock.cli.demo.layout import Layout, Ports, demo_plant
from penstock.cli.doctor import checks, command
from penstock.cli.doctor.findings import Finding, Verdict
from penstock.cli.doctor.plant_folder import ERRORS_MAX, plant_folder
from penstock.cli.main import cli


def test_an_old_python_is_named_with_what_to_do() -> None:
    finding = checks.python((3, 10, 4))
    assert finding.verdict is Verdict.WRONG
    assert "3.11" in finding.remedy


def test_a_secret_open_to_others_is_named_with_the_command_that_mends_it(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.secrets.mkdir(mode=0o700)
    secret = layout.secret("cli.json")
    secret.touch(mode=0o600)
    assert [f.verdict for f in checks.secrets(layout.secrets)] == [Verdict.OK]
    secret.chmod(0o644)
    (finding,) = checks.secrets(layout.secrets)
    assert finding.verdict is Verdict.WRONG
    assert finding.remedy == f"chmod 600 {secret}"


def test_a_truth_open_to_others_is_named_and_none_is_no_finding(tmp_path: Path) -> None:
    folder = tmp_path / "truth"
    assert list(checks.hidden_truth(folder)) == []
    folder.mkdir(mode=0o700)
    (folder / "truth.sqlite").touch(mode=0o600)
    assert [f.verdict for f in checks.hidden_truth(folder)] == [Verdict.OK]
    (folder / "truth.sqlite").chmod(0o640)
    (finding,) = checks.hidden_truth(folder)
    assert finding.verdict is Verdict.WRONG
    assert finding.remedy == f"chmod 600 {folder / 'truth.sqlite'}"


def test_the_demo_plant_has_nothing_wrong_and_where_there_is_no_folder_there_is_no_finding(tmp_path: Path) -> None:
    (finding,) = plant_folder(demo_plant(), {})
    assert finding.verdict is Verdict.OK
    assert "6 device files, 4 asset types" in finding.what
    assert list(plant_folder(tmp_path / "none", {})) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("devices/pump-plc.yaml", "driver: opcua", "driver: opcuaa", "driver 'opcuaa' is not installed"),
        ("devices/pump-plc.yaml", "rate_hz: 2}", "rat_hz: 2}", "key 'rat_hz' is not known here"),
        ("devices/energy-meter.yaml", "device: energy-meter", "device: pump-plc", "already described by"),
        ("types/centrifugal-pump.yaml", "flow: falls", "flaw: falls", "'flaw' is no property of the type"),
        ("plant.yaml", "type: centrifugal-pump", "type: pumpe", "'pumpe'"),
        ("plant.yaml", "flow: pump-plc/flow", "flow: pump-plc/flaw", "flaw"),
        ("plant.yaml", "version: 1", "version: [", "plant.yaml"),
        ("devices/pump-plc.yaml", "PUMP_PORT:-4840", "PUMP_PORT:-70000", "1 to 65535; write opc."),
        ("devices/energy-meter.yaml", ":-mqtt://127.0.0.1:18830", ":-mqtt://127.0.0.1:abc", "1 to 65535; write mqtt:"),
    ],
)
def test_what_is_wrong_in_the_plant_folder_is_told_with_its_file(
    tmp_path: Path, file: str, old: str, new: str, told: str
) -> None:
    folder = tmp_path / "plant"
    shutil.copytree(demo_plant(), folder)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    findings = [each for each in plant_folder(folder, {}) if told in each.what]
    assert findings
    assert findings[0].verdict is Verdict.WRONG
    assert Path(file).name in findings[0].what


def test_a_file_that_is_no_text_is_told_and_many_errors_are_counted(tmp_path: Path) -> None:
    (tmp_path / "devices").mkdir()
    (tmp_path / "devices" / "noise.yaml").write_bytes(b"\xff\xfe")
    (finding,) = plant_folder(tmp_path, {})
    assert "noise.yaml cannot be read" in finding.what
    for number in range(ERRORS_MAX + 2):
        (tmp_path / "devices" / f"d{number}.yaml").write_text("version: 1\n")
    *_, last = plant_folder(tmp_path, {})
    assert "errors more" in last.what


def test_a_port_held_by_something_that_does_not_answer_is_wrong() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        number = silent.getsockname()[1]  # bound, not listening: connections are refused
        finding = checks.port("gateway", number)
    assert finding.verdict is Verdict.WRONG
    assert "does not answer" in finding.what


def test_a_gateway_that_names_problems_is_wrong_though_it_answers() -> None:
    said = b'{"status": "degraded", "problems": ["uplink: no answer"], "journal": {"waiting_batches": 2360}}'

    finding = checks.judged("gateway, port 8090", "gateway", httpx.Response(200, content=said))
    assert finding.verdict is Verdict.WRONG
    assert "uplink: no answer" in finding.what
    assert "2360 batches wait" in finding.what


def test_many_problems_stand_one_a_line_and_those_left_out_are_counted() -> None:
    said = httpx.Response(200, json={"problems": [f"file {n} is wrong" for n in range(12)]})
    lines = checks.judged("gateway, port 8090", "gateway", said).what.splitlines()
    assert len(lines) == 12
    assert lines[-1].strip() == "- and 2 more"


def test_a_foreign_program_on_a_port_of_ours_is_named() -> None:
    server = HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        finding = checks.port("platform", server.server_port)
    finally:
        server.shutdown()
        server.server_close()
    assert finding.verdict is Verdict.WRONG
    assert "which is not Penstock's platform" in finding.what
    assert "<" not in finding.what


def test_a_file_that_only_the_simulators_refuse_is_told() -> None:
    said = {"status": "degraded", "problems": ["devices/tank.yaml:5: tags.level.signal.expression: no such function"]}
    finding = checks.judged("simulators, port 8091", "simulators", httpx.Response(200, json=said))
    assert finding.verdict is Verdict.WRONG
    assert "tank.yaml:5: tags.level.signal.expression" in finding.what
    assert "simulators.log" in finding.remedy


def test_simulators_that_bring_devices_up_are_not_called_healthy_yet() -> None:
    said = {"status": "starting", "starting": ["pump-plc", "filling-line"], "problems": []}
    finding = checks.judged("simulators, port 8091", "simulators", httpx.Response(200, json=said))
    assert finding.verdict is Verdict.NOTE
    assert "starting: pump-plc, filling-line" in finding.what


def test_doctor_ends_with_status_one_when_something_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir(mode=0o700)
    (tmp_path / "secrets" / "cli.json").touch(mode=0o640)
    result = CliRunner().invoke(cli, ["doctor", "--data", str(tmp_path)])
    assert result.exit_code == 1
    assert "chmod 600" in result.output


def test_a_data_folder_that_is_not_there_is_said_and_the_usual_one_may_yet_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = CliRunner().invoke(cli, ["doctor", "--data", str(tmp_path / "nowhere")])
    assert result.exit_code == 1
    assert f"the data folder {tmp_path / 'nowhere'} is not there: what answers" in result.output
    assert "Nothing is wrong" not in result.output
    (tmp_path / "file").touch()
    (finding,) = checks.data_folder(tmp_path / "file")
    assert "is no folder" in finding.what
    assert list(checks.data_folder(tmp_path)) == []
    monkeypatch.chdir(tmp_path)
    (finding,) = checks.data_folder(checks.USUAL_DATA)
    assert finding.verdict is Verdict.NOTE
    assert "penstock demo" in finding.remedy


def test_doctor_refuses_a_process_it_does_not_know() -> None:
    result = CliRunner().invoke(cli, ["doctor", "--port", "nix=1"])
    assert result.exit_code == 2
    assert "NAME=PORT" in result.output


def test_doctor_looks_at_the_ports_that_the_demo_of_the_folder_had(tmp_path: Path) -> None:
    numbers = iter(range(47_101, 47_120))
    Layout(tmp_path).remember(Ports(**{f.name: next(numbers) for f in fields(Ports)}))
    told = CliRunner().invoke(cli, ["doctor", "--data", str(tmp_path), "--port", "gateway=47200"]).output
    assert "platform, port 47101" in told
    assert "gateway, port 47200" in told, "an option goes first"
    assert "8080" not in told
    (tmp_path / "ports.json").write_text('{"platform": "x", "strange": 1')
    assert "platform, port 8080" in CliRunner().invoke(cli, ["doctor", "--data", str(tmp_path)]).output


def test_doctor_calls_nothing_right_that_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "all_checks", lambda *_: iter([Finding(Verdict.OK, "fine")]))
    for running, said in ((set(), "nothing runs on these ports"), ({8080}, "Nothing is wrong.\n")):
        monkeypatch.setattr(command, "is_taken", running.__contains__)
        told = CliRunner().invoke(cli, ["doctor", "--data", str(tmp_path)])
        assert (told.exit_code, said in told.output) == (0, True)
