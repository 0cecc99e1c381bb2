"""In a running stack no credential of the platform, of an app, of the gateway or of a person opens the hidden truth."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from penstock.cli.demo.layout import Layout, Ports
from penstock.cli.demo.reader import READER_FILE, make_reader
from penstock.lab.truth_source import read_door, read_file
from penstock.simulators.demo_plant import DEMO_PLANT
from tests.builders import web
from tests.builders.stack import BIN, Stack, free_port, wait_for

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]
DOOR = ("/truth/devices", "/truth/events", "/truth/states")
TELLING = ("truth", "hidden", "severity_of", "rul_hindsight")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("sealed")
    plant = folder / "plant"
    (plant / "devices").mkdir(parents=True)
    shutil.copy(DEMO_PLANT / "plant.yaml", plant)
    shutil.copytree(DEMO_PLANT / "types", plant / "types")
    shutil.copy(DEMO_PLANT / "devices" / "pump-vibration.yaml", plant / "devices")
    shutil.copy(DEMO_PLANT / "devices" / "energy-meter.yaml", plant / "devices")
    made = Stack(folder, plant)
    made.environment |= {
        "PENSTOCK_SIM_LABORATORY_PORT": str(free_port()),
        "PENSTOCK_SIM_LABORATORY_PLATFORM_URL": made.url("platform"),
        "PENSTOCK_SIM_LABORATORY_PLATFORM_CREDENTIALS": str(folder / "secrets" / READER_FILE),
    }
    try:
        for name in ("broker", "platform", "sim", "gateway", "maintenance"):
            made.start(name)
        assert make_reader(Layout(folder), Ports(platform=made.ports["platform"])) == ""
        yield made
    finally:
        made.close()


def read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


@pytest.fixture(scope="module")
def headers(stack: Stack) -> dict[str, dict[str, str]]:
    wait_for((stack.folder / "gateway" / "credential.json").is_file, "an enrolled gateway")
    return owned_headers(stack)


def owned_headers(stack: Stack) -> dict[str, dict[str, str]]:
    """Give request headers for every credential that anybody but the truth's reader owns, by what it is."""
    found: dict[str, dict[str, str]] = {}
    files = [*(stack.folder / "secrets").iterdir(), *(stack.folder / "gateway").glob("*.json")]
    for path in [*files, stack.folder / "simulators" / "sim-control.json"]:
        if not path.is_file():
            continue
        text = path.read_text().strip()
        content = json.loads(text) if path.suffix == ".json" else {"token": text}
        values = [value for value in content.values() if isinstance(value, str) and value]
        for value in values:
            found[f"{path.name}: {value[:12]} as bearer"] = {"Authorization": f"Bearer {value}"}
        for user in values:
            for secret in values:
                pair = base64.b64encode(f"{user}:{secret}".encode()).decode()
                found[f"{path.name}: {user[:12]} as basic"] = {"Authorization": f"Basic {pair}"}
        if {"client_id", "client_secret"} <= set(content):
            found[f"{path.name}: access token"] = {"Authorization": f"Bearer {access_token(stack, content)}"}
    found["a person's session"] = {"Cookie": session_cookies(stack)}
    return found


def access_token(stack: Stack, credential: dict[str, str]) -> str:
    answer = web.post(
        stack.url("platform") + "/oauth/token",
        data={"grant_type": "client_credentials"},
        auth=(credential["client_id"], credential["client_secret"]),
        timeout=10,
    )
    return str(answer.raise_for_status().json()["access_token"])


def session_cookies(stack: Stack) -> str:
    link = (stack.folder / "secrets" / "login-link").read_text().strip()
    with web.Client(follow_redirects=True, timeout=30) as browser:
        browser.get(link).raise_for_status()
        cookies = {cookie.name: cookie.value for cookie in browser.cookies.jar}
    assert cookies, "somebody is logged in"
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def test_every_credential_but_its_own_is_refused(stack: Stack, headers: dict[str, dict[str, str]]) -> None:
    own = read_json(stack.folder / "simulators" / "truth" / "truth.json")
    kinds = " ".join(headers)
    for needed in (
        f"{READER_FILE}: access token",
        "cli.json: access token",
        "maintenance.json: access token",
        "credential.json",
        "sim-control.json",
    ):
        assert needed in kinds, needed
    with web.Client(base_url=own["url"], timeout=10) as client:
        for path in DOOR:
            right = client.get(path, headers={"Authorization": f"Bearer {own['token']}"})
            assert right.status_code == 200, "the door is open to its own token, so that a refusal means something"
            for name, given in headers.items():
                answer = client.get(path, headers=given)
                assert answer.status_code == 401, f"{name} opens {path}"
                assert "items" not in answer.text
            assert client.get(path).status_code == 401


PAGES = ("/", "/asset?path=x", "/machines/energy-meter")
DEEDS = ("/machines/energy-meter/inject", "/machines/energy-meter/clear", "/machines/energy-meter/repair", "/logout")


def laboratory(stack: Stack) -> tuple[httpx.Client, str]:
    """Give a client of the page under its own host name, without a credential, and its token."""
    own = read_json(stack.folder / "simulators" / "truth" / "laboratory.json")
    port = own["url"].rpartition(":")[2]
    client = web.Client(base_url=own["url"], headers={"Host": f"localhost:{port}"}, timeout=10)
    return client, own["token"]


def test_no_other_credential_opens_the_laboratory(stack: Stack, headers: dict[str, dict[str, str]]) -> None:
    client, token = laboratory(stack)
    truth = read_json(stack.folder / "simulators" / "truth" / "truth.json")["token"]
    headers = {**headers, "the truth's token": {"Authorization": f"Bearer {truth}"}}
    values = [value for given in headers.values() for value in given.values()]
    with client:
        for name, given in headers.items():
            cookies = {"Cookie": f"penstock_laboratory={next(iter(given.values())).rpartition(' ')[2]}"}
            for sent in (given, cookies):
                for path in PAGES:
                    answer = client.get(path, headers=sent)
                    assert answer.status_code in (401, 403), f"{name} opens {path}"
                    assert "energy-meter" not in answer.text
                for path in DEEDS:
                    assert client.post(path, headers=sent, data={"fault": "drift", "tag": "power"}).status_code in (
                        401,
                        403,
                    )
            assert client.post("/link", headers=given).status_code in (401, 403), f"{name} makes a link"
        link = client.post("/link", headers={"Authorization": f"Bearer {token}"}).raise_for_status().json()["link"]
        entered = client.get("/login", params={"token": link.partition("token=")[2]})
        cookie = {"Cookie": entered.headers["set-cookie"].partition(";")[0]}
        page = client.get("/machines/energy-meter", headers=cookie)
        assert page.status_code == 200, "the page is open to its own session, so that a refusal means something"
        assert "True condition" in page.text
    assert token not in " ".join(values)
    door = read_json(stack.folder / "simulators" / "truth" / "truth.json")["url"]
    for sent in (cookie, {"Authorization": f"Bearer {token}"}):
        assert web.get(f"{door}/truth/events", headers=sent).status_code == 401
        assert web.get(stack.url("platform") + "/v1/assets", headers=sent).status_code == 401


def test_the_laboratory_s_client_of_the_platform_may_only_read_alarms_and_assets(stack: Stack) -> None:
    file, ports = stack.folder / "secrets" / READER_FILE, Ports(platform=stack.ports["platform"])
    before = file.read_text()
    assert make_reader(Layout(stack.folder), ports) == ""
    assert file.read_text() == before, "another start of the demo makes nothing new"
    file.unlink()
    assert make_reader(Layout(stack.folder), ports) == ""
    assert file.read_text() != before, "a lost file is made again"
    assert file.stat().st_mode & 0o077 == 0
    reader = read_json(file)
    bearer = {"Authorization": f"Bearer {access_token(stack, reader)}"}
    with web.Client(base_url=stack.url("platform"), headers=bearer, timeout=10) as client:
        me = client.get("/v1/me").raise_for_status().json()
        assert sorted(me["scopes"]) == ["alarms:read", "assets:read"]
        assert client.get("/v1/alarms").status_code == 200
        for path in ("/v1/samples?tag=1", "/v1/latest?all=true", "/v1/audit", "/v1/users"):
            assert client.get(path).status_code == 403, path
        for path in ("/v1/ingest", "/v1/rules", "/v1/tags", "/v1/assets"):
            assert client.post(path, json={}).status_code == 403, path


def test_the_platform_has_no_way_to_the_truth(stack: Stack) -> None:
    own = read_json(stack.folder / "simulators" / "truth" / "truth.json")
    with stack.client() as operator:
        routes = operator.get("/openapi.json").raise_for_status().json()["paths"]
        assert len(routes) > 30
        assert [path for path in routes if any(word in path.lower() for word in TELLING)] == []
        for path in DOOR:
            for prefix in ("", "/v1"):
                assert operator.get(prefix + path).status_code == 404, prefix + path
        with_truth = {"Authorization": f"Bearer {own['token']}"}
        assert operator.get("/v1/assets", headers=with_truth).status_code == 401, "nor does the truth open the platform"
        keys = [tag["key"] for tag in operator.get("/v1/tags").raise_for_status().json()["items"]]
        assert [key for key in keys if any(word in key for word in TELLING)] == []
    _, of_the_page = laboratory(stack)
    environment = " ".join(
        value for name in ("platform", "gateway", "maintenance") for value in stack.process_environment(name).values()
    )
    assert own["token"] not in environment
    assert of_the_page not in environment


def test_door_and_copied_file_tell_the_same(stack: Stack, tmp_path: Path) -> None:
    folder, copy = stack.folder / "simulators", tmp_path / "copy.sqlite"
    penstock = [str(BIN / "penstock")]
    control = ["--control", str(folder / "sim-control.json"), "--device", "energy-meter"]
    for words in (["inject", "drift:power", "--severity", "0.3", "--growth", "0"], ["clear", "drift:power"]):
        subprocess.run([*penstock, "fault", *words, *control], check=True, timeout=60, capture_output=True)
    subprocess.run([*penstock, "sim", "truth", str(copy), "--data", str(folder)], check=True, timeout=60)
    door, file = read_door(folder / "truth" / "truth.json"), read_file(copy)
    assert [(each.action, each.fault, each.kind) for each in file.events] == [
        ("injected", "drift:power", "sensor"),
        ("onset", "drift:power", "sensor"),
        ("cleared", "drift:power", "sensor"),
    ]
    assert door.events == file.events
    known = [[(one.device, one.asset, one.machine, one.first_ns) for one in truth.devices] for truth in (door, file)]
    assert known[0] == known[1]
    assert len(known[0]) == 2


def test_in_compose_the_simulators_alone_have_their_data() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    mounting = {
        name: [volume for volume in service.get("volumes", []) if volume.split(":")[0] == "simulators"]
        for name, service in services.items()
    }
    assert {name for name, volumes in mounting.items() if volumes} == {"simulators"}
    simulators = services["simulators"]
    assert mounting["simulators"] == ["simulators:/data"]
    assert simulators["environment"]["PENSTOCK_SIM_DATA"] == "/data", "where the truth lies"
    assert "ports" not in simulators
    assert set(simulators["networks"]) == {"plant"}
    assert {"platform", "monitoring", "maintenance"} & {
        name for name, service in services.items() if "plant" in service.get("networks", [])
    } == set()
    hosts = {name: value for name, value in simulators["environment"].items() if name.endswith("_HOST")}
    assert "PENSTOCK_SIM_TRUTH_HOST" not in hosts, "the door is on loopback alone"
    assert not any("SIM" in name for other in ("platform", "maintenance") for name in services[other]["environment"])
