"""The way from gateway to platform over TLS: who is trusted, and certificates that are renewed while data flows."""

import json
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from penstock.platform.kit.authority import ADOPTION, Authority
from penstock.platform.kit.listen import bind
from penstock.platform.kit.serving import Certificate, Server
from tests.builders import web
from tests.builders.edge import Publisher, nats_server, started
from tests.builders.gateway import FakePlatform, GatewayProcess, wait_until
from tests.builders.platform_process import BEGIN_MS, METER, PlatformProcess, load, read_back
from tests.builders.ports import free_port

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]
RENEWALS = 40


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[PlatformProcess]:
    process = PlatformProcess(tmp_path / "cloud")
    process.environ["PENSTOCK_PLATFORM_TLS_PORT"] = str(free_port())
    process.start()
    yield process
    process.kill()


def by_tls(platform: PlatformProcess) -> str:
    return f"https://127.0.0.1:{platform.environ['PENSTOCK_PLATFORM_TLS_PORT']}"


def test_values_go_over_tls_to_the_platform_whose_authority_was_exported(
    platform: PlatformProcess, tmp_path: Path
) -> None:
    bundle = tmp_path / "exported.pem"
    platform.command("ca", "export", "--out", str(bundle))
    assert bundle.read_text() == (platform.folder / "secrets" / "ca.pem").read_text()
    gateway = GatewayProcess(tmp_path / "edge-1", by_tls(platform))
    gateway.extra["PENSTOCK_GATEWAY_ENROL_TOKEN_FILE"] = str(platform.token_file)
    gateway.extra["PENSTOCK_GATEWAY_PLATFORM_CA"] = str(bundle)
    broker = nats_server(tmp_path / "broker")
    with started(broker):
        gateway.device("meter", METER.format(port=broker.port))
        gateway.start()
        try:
            wait_until(lambda: gateway.health()["devices"]["meter"]["state"] == "connected", "the meter")
            Publisher(broker.port).publish("plant/meter", json.dumps({"v": 7.0, "ts": BEGIN_MS}))
            wait_until(lambda: read_back(platform) == [7], "the value")
            learnt = gateway.folder / "gateway" / "platform-ca.pem"
            wait_until(learnt.exists, "the platform's authorities")
            assert learnt.read_text().endswith(bundle.read_text())
        finally:
            gateway.kill()
    assert "until" in platform.command("ca", "show")


def test_another_authority_is_refused_in_words_and_nothing_is_sent(platform: PlatformProcess, tmp_path: Path) -> None:
    stranger = Authority(tmp_path / "stranger", ("127.0.0.1",), now=lambda: datetime.now(UTC))
    stranger.prepare()
    bundle = tmp_path / "trusted.pem"
    bundle.write_text(stranger.bundle())
    gateway = GatewayProcess(tmp_path / "edge-1", by_tls(platform))
    gateway.extra["PENSTOCK_GATEWAY_ENROL_TOKEN_FILE"] = str(platform.token_file)
    gateway.extra["PENSTOCK_GATEWAY_PLATFORM_CA"] = str(bundle)
    gateway.start()
    try:
        said = wait_until(lambda: gateway.health()["uplink"]["problem"], "a problem")
        assert "certificate is refused" in said
        assert "penstock ca export" in said
        assert platform.token_file.exists(), "the token was not shown to a stranger"
        bundle.write_text((platform.folder / "secrets" / "ca.pem").read_text())
        wait_until(lambda: gateway.health()["uplink"]["state"] == "connected", "the mended bundle")
    finally:
        gateway.kill()


def test_another_name_and_plain_http_at_the_tls_door_are_refused(platform: PlatformProcess) -> None:
    context = ssl.create_default_context(cadata=(platform.folder / "secrets" / "ca.pem").read_text())
    assert web.get(by_tls(platform) + "/health", verify=context).status_code == 200
    with httpx.Client(verify=context) as client, pytest.raises(httpx.ConnectError, match="Hostname mismatch"):
        client.get(by_tls(platform) + "/health", extensions={"sni_hostname": "platform.example"})
    with pytest.raises(httpx.TransportError):
        web.get(by_tls(platform).replace("https", "http") + "/health")
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(cadata=(platform.folder / "secrets" / "ca.pem").read_text())
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(httpx.ConnectError):
        web.get(by_tls(platform) + "/health", verify=old)


class Cloud:
    """A fake platform behind the real TLS door, with a clock that is set by hand."""

    def __init__(self, folder: Path) -> None:
        self.skew = -ADOPTION - timedelta(days=1)
        self.fake = FakePlatform()
        self.authority = Authority(folder, ("127.0.0.1",), now=lambda: datetime.now(UTC) + self.skew)
        self.certificate = Certificate(self.authority, self.authority.server)
        self.fake.app.router.routes.append(Route("/v1/ca", self.bundle))

    def bundle(self, _request: Request) -> Response:
        return JSONResponse({"pem": self.authority.bundle()})

    def issuer(self, port: int) -> str:
        """Give the name of the authority whose certificate the door shows."""
        context = ssl.create_default_context(cadata=self.authority.bundle())
        with httpx.Client(verify=context) as client, client.stream("GET", f"https://127.0.0.1:{port}/v1/ca") as answer:
            shown = answer.extensions["network_stream"].get_extra_info("ssl_object").getpeercert()
            return str(dict(part[0] for part in shown["issuer"])["commonName"])


def test_certificates_and_the_authority_are_renewed_under_load_without_loss(tmp_path: Path) -> None:
    cloud = Cloud(tmp_path / "tls")
    bundle = tmp_path / "ca.pem"
    bundle.write_text(cloud.authority.bundle())
    broker = nats_server(tmp_path / "broker")
    with (
        bind("127.0.0.1", 0) as plain,
        bind("127.0.0.1", 0) as tls,
        started(broker),
    ):
        port = tls.getsockname()[1]
        server = Server(cloud.fake.app, certificate=cloud.certificate, tls=tls)
        serving = threading.Thread(target=server.run, kwargs={"sockets": [plain]}, daemon=True)
        serving.start()
        gateway = GatewayProcess(tmp_path / "edge-1", f"https://127.0.0.1:{port}")
        gateway.extra["PENSTOCK_GATEWAY_PLATFORM_CA"] = str(bundle)
        gateway.device("meter", METER.format(port=broker.port))
        gateway.start()
        sent: list[int] = []
        done = threading.Event()
        loading = threading.Thread(target=load, args=(broker.port, sent, done))
        try:
            wait_until(lambda: gateway.health()["devices"]["meter"]["state"] == "connected", "the meter")
            loading.start()
            serials = {renewed(cloud) for _ in range(RENEWALS)}
            cloud.authority.add_authority()
            learnt = gateway.folder / "gateway" / "platform-ca.pem"
            gateway.kill()  # asks at each start; in a plant, which waits for days, four times a day
            gateway.start()
            wait_until(
                lambda: learnt.exists() and learnt.read_text().endswith(cloud.authority.bundle()), "the successor"
            )
            cloud.skew = timedelta(0)
            renewed(cloud)
            assert cloud.issuer(port) == "Penstock CA 2"
            before = len(cloud.fake.rows())
            wait_until(lambda: len(cloud.fake.rows()) > before + 100, "values under the new authority")
            done.set()
            loading.join()
            wait_until(lambda: stored(cloud) >= set(sent), "every acknowledged publish")
        finally:
            done.set()
            gateway.kill()
            server.should_exit = True
            serving.join(20)
            cloud.fake.stop()
    assert len(serials) == RENEWALS
    values = [row.value for row in cloud.fake.rows() if row.value is not None]
    assert sorted(set(values)) == sorted(set(sent)), "nothing lost, nothing made up"


def renewed(cloud: Cloud) -> int:
    """Renew the door's certificate; give the serial number of the new one."""
    cloud.authority.server.unlink()
    assert cloud.certificate.refresh()
    time.sleep(0.05)
    return x509.load_pem_x509_certificate(cloud.authority.server.read_bytes()).serial_number


def stored(cloud: Cloud) -> set[object]:
    return {row.value for row in cloud.fake.rows()}
