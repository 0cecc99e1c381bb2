"""The gateway's metrics for Prometheus, read from its counters when asked (docs/reference/metrics.md)."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

NS_PER_S = 1_000_000_000


class GatewayCollector(Collector):
    """Turn the health snapshot into metrics, so that both always agree."""

    def __init__(self, snapshot: Callable[[], Mapping[str, Any]]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        """Give all metrics as of now."""
        now = self._snapshot()
        yield from _devices(now["devices"])
        yield from _intake(now["intake"])
        yield from _journal(now["journal"])
        yield from _uplink(now["uplink"])


def gateway_registry(snapshot: Callable[[], Mapping[str, Any]]) -> CollectorRegistry:
    """Build a registry of the gateway's own metrics."""
    registry = CollectorRegistry()
    registry.register(GatewayCollector(snapshot))
    return registry


def _devices(devices: Mapping[str, Any]) -> Iterator[Metric]:
    up = GaugeMetricFamily("penstock_gateway_device_up", "1 where the device is connected", labels=["device", "driver"])
    newest = GaugeMetricFamily(
        "penstock_gateway_device_newest_source_time_seconds", "Newest source time journalled", labels=["device"]
    )
    events = CounterMetricFamily(
        "penstock_gateway_driver_events", "What the driver counted, by event", labels=["device", "driver", "event"]
    )
    for name, device in devices.items():
        up.add_metric([name, device["driver"]], 1.0 if device["state"] in ("connected", "degraded") else 0.0)
        if device["newest_source_time_ns"] is not None:
            newest.add_metric([name], device["newest_source_time_ns"] / NS_PER_S)
        for event, count in device["counters"].items():
            events.add_metric([name, device["driver"], event], count)
    yield from (up, newest, events)


def _intake(intake: Mapping[str, Any]) -> Iterator[Metric]:
    yield _counter("samples", "Samples taken for the journal", intake["samples"])
    yield _counter("rejects", "Values and messages rejected with a reason", intake["rejects"])
    yield _counter("thinned", "Samples left out by deadbands", intake["thinned"])
    yield _counter("gaps", "Gaps marked", intake["gaps"])
    yield _gauge("open_gaps", "Tags without communication now", intake["open_gaps"])
    yield _counter("back_pressure_seconds", "Time that drivers had to wait", intake["waited_s"])
    yield _gauge("rows_in_flight", "Rows taken and not yet synced", intake["rows_in_flight"])


def _journal(journal: Mapping[str, Any]) -> Iterator[Metric]:
    yield _gauge("journal_head", "Highest seq of the current epoch", journal["head"])
    yield _counter("journal_commits", "Synced commits", journal["commits"])
    yield _counter("journal_batches", "Batches journalled since start", journal["batches"])
    yield _gauge("journal_waiting_batches", "Batches not yet committed by the historian", journal["waiting_batches"])
    yield _gauge("journal_waiting_bytes", "Bytes not yet committed by the historian", journal["waiting_bytes"])
    yield _gauge("journal_reserve_batches", "Released batches that are kept", journal["reserve_batches"])
    yield _gauge("journal_reserve_bytes", "Released bytes that are kept", journal["reserve_bytes"])
    yield _counter("journal_broken_batches", "Batches that could not be read back", journal["broken_batches"])
    yield _gauge("journal_blocked", "1 while the journal is full or its disk fails", float(bool(journal["blocked"])))


def _uplink(uplink: Mapping[str, Any]) -> Iterator[Metric]:
    yield _gauge("uplink_connected", "1 while a session is granted and answered", float(uplink["state"] == "connected"))
    yield _gauge("uplink_watermark", "Highest seq below which all is committed", uplink["watermark"])
    yield _counter("uplink_requests", "Requests sent", uplink["requests"])
    yield _counter("uplink_failures", "Requests not answered with success", uplink["failures"])
    yield _counter(
        "uplink_quarantined_batches", "Batches that the historian quarantined", uplink["quarantined_batches"]
    )


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"penstock_gateway_{name}", text, value=value)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"penstock_gateway_{name}", text, value=value)
