"""The simulated PLCs over real OPC UA: who gets in, who may do what, what arrives."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from penstock.core.status import BAD_NO_DATA, GOOD
from penstock.core.values import ValueType
from penstock.simulators.emission import Emission, Point
from penstock.simulators.pki import own_certificate
from penstock.simulators.servers.opcua import PLAIN, EndpointError, NodeSpec, OpcUaEndpoint, wait_until_quiet
from tests.builders.simulators import Client, free_port, secure_client, subscribe, ua, until

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]
NAMESPACE = "urn:test:plc"
NODES = [
    NodeSpec("level", "Level", ValueType.FLOAT64, "Level of the tank"),
    NodeSpec("count", "nsu=urn:other;i=12", ValueType.INT64, ""),
    NodeSpec("open", "Open", ValueType.BOOL, ""),
    NodeSpec("mode", "Mode", ValueType.STRING, ""),
]
T0 = 1_700_000_000_000_000_000


@dataclass(frozen=True)
class Plc:
    endpoint: OpcUaEndpoint
    url: str
    trust: Path
    pki: Path


async def serve(folder: Path, security: str) -> Plc:
    url = f"opc.tcp://127.0.0.1:{free_port()}"
    own = own_certificate(folder / "pki", name="simulators", hosts=set(), trust=folder / "trust")
    endpoint = OpcUaEndpoint(url, security=security, own=own, trust=folder / "trust", bind_host=None)
    await endpoint.build()
    await endpoint.add("plc", NAMESPACE, NODES)
    await endpoint.listen()
    return Plc(endpoint, url, folder / "trust", folder / "client")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plc(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Plc]:
    served = await serve(tmp_path_factory.mktemp("plc"), "Basic256Sha256/SignAndEncrypt")
    yield served
    await served.endpoint.stop()


def emission(i: int) -> Emission:
    points = (
        Point("level", i / 3, GOOD),
        Point("count", i, GOOD),
        Point("open", True, GOOD),
        Point("mode", f"m{i}", GOOD),
    )
    return Emission("plc", T0 + i * 1_000_000, points)


async def test_trusted_client_reads_value_status_and_source_time(plc: Plc) -> None:
    await plc.endpoint.offer(emission(7))
    async with secure_client(plc.url, pki=plc.pki, trust=plc.trust) as client:
        index = await client.get_namespace_index(NAMESPACE)
        found = await client.get_node(ua.NodeId("Level", index)).read_data_value()
        other = await client.get_namespace_index("urn:other")
        count = await client.get_node(ua.NodeId(12, other)).read_data_value()
    assert found.Value.Value == 7 / 3
    assert found.StatusCode.value == GOOD
    assert found.SourceTimestamp.timestamp() == pytest.approx((T0 + 7_000_000) / 1e9, abs=1e-6)
    assert (count.Value.Value, count.Value.VariantType) == (7, ua.VariantType.Int64)


async def test_a_tag_without_a_value_yet_says_so(plc: Plc) -> None:
    await plc.endpoint.remove("plc")
    await plc.endpoint.add("plc", NAMESPACE, NODES)
    async with secure_client(plc.url, pki=plc.pki, trust=plc.trust) as client:
        index = await client.get_namespace_index(NAMESPACE)
        found = await client.get_node(ua.NodeId("Level", index)).read_data_value(raise_on_bad_status=False)
    assert found.StatusCode.name == "BadWaitingForInitialData"


async def test_bad_value_is_sent_with_its_status_and_without_a_value(plc: Plc) -> None:
    await plc.endpoint.offer(Emission("plc", T0, (Point("level", None, BAD_NO_DATA),)))
    async with secure_client(plc.url, pki=plc.pki, trust=plc.trust) as client:
        index = await client.get_namespace_index(NAMESPACE)
        found = await client.get_node(ua.NodeId("Level", index)).read_data_value(raise_on_bad_status=False)
    assert found.StatusCode.value == BAD_NO_DATA
    assert found.Value.Value is None


async def test_nobody_writes_not_even_a_trusted_client(plc: Plc) -> None:
    await plc.endpoint.offer(emission(1))
    async with secure_client(plc.url, pki=plc.pki, trust=plc.trust) as client:
        index = await client.get_namespace_index(NAMESPACE)
        node = client.get_node(ua.NodeId("Level", index))
        with pytest.raises(ua.UaStatusCodeError) as caught:
            await node.write_value(99.0)
        assert caught.value.code == ua.StatusCodes.BadUserAccessDenied
        with pytest.raises(ua.UaStatusCodeError):
            await node.set_writable()
        with pytest.raises(ua.UaStatusCodeError):
            await client.nodes.objects.add_variable(index, "mine", 1.0)
        with pytest.raises(ua.UaStatusCodeError):
            await client.delete_nodes([node])
        server = client.get_node(ua.ObjectIds.Server)
        with pytest.raises(ua.UaStatusCodeError):
            await server.call_method(ua.NodeId(ua.ObjectIds.Server_GetMonitoredItems), 1)
        assert await node.read_value() == 1 / 3


async def test_the_same_write_goes_through_on_a_stock_server(tmp_path: Path) -> None:
    """The control: what the guard stops is really open by default, so the test above can fail."""
    server: Any = __import__("asyncua").Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{free_port()}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    node = await server.nodes.objects.add_variable(ua.NodeId("x", 1), "x", 1.0)
    async with server:
        client = Client(server.endpoint.geturl())
        client.set_user("admin")
        async with client:
            await client.get_node(node.nodeid).write_value(2.0)
            assert await client.get_node(node.nodeid).read_value() == 2.0


async def test_untrusted_client_is_refused(plc: Plc) -> None:
    with pytest.raises(ua.UaStatusCodeError) as caught:
        async with secure_client(plc.url, pki=plc.pki / "stranger", trust=plc.trust, publish=False, name="stranger"):
            pass
    assert caught.value.code == ua.StatusCodes.BadCertificateUntrusted


async def test_trust_taken_away_counts_at_the_next_connection(plc: Plc) -> None:
    async with secure_client(plc.url, pki=plc.pki, trust=plc.trust):
        pass
    (plc.trust / "tester.der").unlink()
    with pytest.raises(ua.UaStatusCodeError):
        async with secure_client(plc.url, pki=plc.pki, trust=plc.trust, publish=False):
            pass


async def test_plain_channel_finds_the_endpoints_and_nothing_more(plc: Plc) -> None:
    client = Client(plc.url)
    endpoints = await client.connect_and_get_server_endpoints()
    assert [(e.SecurityPolicyUri.rpartition("#")[2], e.SecurityMode.name) for e in endpoints] == [
        ("Basic256Sha256", "SignAndEncrypt")
    ]
    with pytest.raises((ua.UaError, ua.UaStatusCodeError)):
        async with Client(plc.url):
            pass


async def test_session_that_is_not_activated_may_not_read(plc: Plc) -> None:
    client = Client(plc.url)
    await client.connect_socket()
    try:
        await client.send_hello()
        await client.open_secure_channel()
        parameters = ua.CreateSessionParameters()
        parameters.ClientNonce = b"n" * 32
        parameters.EndpointUrl = plc.url
        parameters.SessionName = "sly"
        parameters.RequestedSessionTimeout = 60_000
        parameters.MaxResponseMessageSize = 0
        await client.uaclient.create_session(parameters)
        with pytest.raises(ua.UaStatusCodeError):
            await client.get_node(ua.ObjectIds.Server_ServerStatus_CurrentTime).read_value()
    finally:
        client.disconnect_socket()


async def test_every_offered_value_reaches_a_subscriber_in_order(plc: Plc) -> None:
    async with secure_client(plc.url, pki=plc.pki, trust=plc.trust) as client:
        assert not any(plc.endpoint.watchers("plc").values())
        collector = await subscribe(client, NAMESPACE, ["Level", "Mode"])
        await until(lambda: plc.endpoint.watchers("plc")["level"], "monitored")
        for i in range(500):
            assert await plc.endpoint.offer(emission(i)) == 2
        assert await wait_until_quiet(plc.endpoint, quiet_s=0.3, timeout_s=20)
        await until(lambda: len(collector.values["Mode"]) >= 501, "all values")
    values = collector.values["Level"][1:]
    assert [data.Value.Value for data in values] == [i / 3 for i in range(500)]
    micros = [round(data.SourceTimestamp.timestamp() * 1e6) for data in values]
    assert micros == [T0 // 1000 + i * 1000 for i in range(500)]


async def test_removed_device_is_gone_and_may_come_back(plc: Plc) -> None:
    async with secure_client(plc.url, pki=plc.pki, trust=plc.trust) as client:
        await subscribe(client, NAMESPACE, ["Level"])
        index = await client.get_namespace_index(NAMESPACE)
        await plc.endpoint.remove("plc")
        with pytest.raises(ua.UaStatusCodeError) as caught:
            await client.get_node(ua.NodeId("Level", index)).read_value()
        assert caught.value.code == ua.StatusCodes.BadNodeIdUnknown
        await plc.endpoint.add("plc", NAMESPACE, NODES)
        await plc.endpoint.offer(emission(3))
        assert await client.get_node(ua.NodeId("Level", index)).read_value() == 1.0


async def test_plain_text_is_served_only_when_asked_for_in_words(tmp_path: Path) -> None:
    served = await serve(tmp_path, PLAIN)
    try:
        await served.endpoint.offer(emission(3))
        async with Client(served.url) as client:
            index = await client.get_namespace_index(NAMESPACE)
            node = client.get_node(ua.NodeId("Level", index))
            assert await node.read_value() == 1.0
            with pytest.raises(ua.UaStatusCodeError):
                await node.write_value(2.0)
    finally:
        await served.endpoint.stop()


async def test_taken_port_and_unknown_security_are_named(plc: Plc, tmp_path: Path) -> None:
    own = own_certificate(tmp_path / "p", name="second", hosts=set(), trust=tmp_path / "t")
    second = OpcUaEndpoint(plc.url, security=PLAIN, own=own, trust=tmp_path, bind_host=None)
    await second.build()
    with pytest.raises(EndpointError, match="cannot listen on 127"):
        await second.listen()
    with pytest.raises(EndpointError, match="'None' is not served; use one of: Basic256Sha256/SignAndEncrypt"):
        OpcUaEndpoint(plc.url, security="None", own=own, trust=tmp_path, bind_host=None)


async def test_nobody_gets_in_before_the_nodes_are_there(tmp_path: Path) -> None:
    port = free_port()
    own = own_certificate(tmp_path / "p", name="late", hosts=set(), trust=tmp_path / "t")
    late = OpcUaEndpoint(f"opc.tcp://127.0.0.1:{port}", security=PLAIN, own=own, trust=tmp_path, bind_host=None)
    await late.build()
    await late.add("plc", NAMESPACE, NODES)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    await late.listen()
    try:
        async with Client(late.url) as client:
            assert await client.get_namespace_index(NAMESPACE) == 2
    finally:
        await late.stop()


async def test_servers_share_the_standard_nodes_and_nothing_else(plc: Plc, tmp_path: Path) -> None:
    own = own_certificate(tmp_path / "p", name="other", hosts=set(), trust=tmp_path / "t")
    url = f"opc.tcp://127.0.0.1:{free_port()}"
    other = OpcUaEndpoint(url, security=PLAIN, own=own, trust=tmp_path, bind_host=None)
    await other.build()
    await other.add("own", "urn:test:own", NODES)
    await other.listen()
    try:
        async with Client(url) as client, secure_client(plc.url, pki=plc.pki, trust=plc.trust) as first:
            assert NAMESPACE not in await client.get_namespace_array()
            assert "urn:test:own" not in await first.get_namespace_array()
            found = []
            for one in (client, first):
                servers = await one.get_node(ua.ObjectIds.Server_ServerArray).read_value()
                children = await one.nodes.objects.get_children()
                found.append((servers, {(await child.read_browse_name()).Name for child in children}))
            assert [servers for servers, _ in found] == [[other.uri], [plc.endpoint.uri]]
            assert found[0][1] - found[1][1] == {"own"}
            types = await client.nodes.base_object_type.get_children(ua.ObjectIds.HasSubtype)
            assert len(types) > 20, "the standard types are there to be browsed"
    finally:
        await other.stop()
