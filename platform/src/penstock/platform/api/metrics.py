"""The platform's own figures as Prometheus text, gathered when asked for."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

GAUGES = frozenset(
    {
        "head",
        "queued_rows",
        "generations",
        "runs",
        "run_bytes",
        "kept_summaries",
        "kept_bytes",
        "decoding",
        "active",
        "unacknowledged",
        "cursor",
    }
)
"""Figures that may fall; every other one only rises."""


class Figures(Collector):
    """Give each source's figures as penstock_<source>_<figure>."""

    def __init__(self, sources: Mapping[str, Callable[[], Mapping[str, float]]]) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        """Read every source now."""
        for source, read in self._sources.items():
            for figure, value in sorted(read().items()):
                name = f"penstock_{source}_{figure}"
                told = f"{figure.replace('_', ' ')} of the {source}"
                if figure in GAUGES:
                    yield GaugeMetricFamily(name, told, value=value)
                else:
                    yield CounterMetricFamily(name, told, value=value)


def metrics(sources: Mapping[str, Callable[[], Mapping[str, float]]]) -> Callable[[], bytes]:
    """Give the function that writes the text."""
    registry = CollectorRegistry()
    registry.register(Figures(sources))
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)

    def write() -> bytes:
        return generate_latest(registry)

    return write
