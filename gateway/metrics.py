"""What Prometheus scrapes: calls, registrations, the media engine, what is owed.

Owns the names. Values are read at the moment of the scrape from whoever owns them; nothing is counted twice.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from media.engine import EngineStatistics

# Upper bounds of the lateness buckets; the engine counts in steps of 0.1 ms.
_LATENESS_MS = (0.1, 0.2, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10, 15, 20, 30, 50, 75, 100)
_BIN_MS = 0.1


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The daemon's own figures at one moment."""

    live_calls: int
    accepted_calls: int
    refused_calls: int
    registrations: int
    callbacks_owed: int
    guess_blocks: int
    calls_forgotten: int
    recordings_forgotten: int
    recordings_moved: int
    archive_failures: int
    is_draining: bool


class DaemonCollector(Collector):
    """engine, daemon: read at each scrape."""

    def __init__(self, *, engine: Callable[[], EngineStatistics], daemon: Callable[[], Snapshot]) -> None:
        self._engine = engine
        self._daemon = daemon

    def collect(self) -> Iterator[Metric]:
        daemon = self._daemon()
        yield GaugeMetricFamily("ringfork_calls", "Inbound calls now.", value=daemon.live_calls)
        yield CounterMetricFamily("ringfork_calls_accepted", "Inbound calls since the start.", daemon.accepted_calls)
        yield CounterMetricFamily("ringfork_calls_refused", "Calls refused for want of room.", daemon.refused_calls)
        yield GaugeMetricFamily("ringfork_registrations", "Registered devices.", value=daemon.registrations)
        yield GaugeMetricFamily("ringfork_callbacks_owed", "Callbacks not yet delivered.", value=daemon.callbacks_owed)
        yield CounterMetricFamily(
            "ringfork_guess_blocks", "Addresses blocked for wrong passwords.", daemon.guess_blocks
        )
        yield CounterMetricFamily(
            "ringfork_retention_calls", "Calls forgotten after retention.calls_days.", daemon.calls_forgotten
        )
        yield CounterMetricFamily(
            "ringfork_retention_recordings",
            "Recordings deleted after retention.recordings_days.",
            daemon.recordings_forgotten,
        )
        yield CounterMetricFamily(
            "ringfork_archive_recordings", "Recordings moved to recordings.url.", daemon.recordings_moved
        )
        yield CounterMetricFamily(
            "ringfork_archive_failures", "Requests of the archive that failed.", daemon.archive_failures
        )
        yield GaugeMetricFamily("ringfork_draining", "1 while no new calls are taken.", value=float(daemon.is_draining))
        engine = self._engine()
        yield GaugeMetricFamily("ringfork_engine_ports", "Open RTP ports.", value=engine.live_ports)
        yield GaugeMetricFamily("ringfork_engine_recordings", "Running recordings.", value=engine.recordings)
        yield CounterMetricFamily("ringfork_engine_packets_received", "RTP packets taken.", engine.packets_received)
        yield CounterMetricFamily("ringfork_engine_packets_sent", "RTP packets sent.", engine.packets_sent)
        yield CounterMetricFamily(
            "ringfork_engine_packets_foreign", "Datagrams from strangers, dropped.", engine.dropped_foreign
        )
        yield CounterMetricFamily(
            "ringfork_engine_packets_malformed", "Datagrams that are no RTP, dropped.", engine.dropped_malformed
        )
        yield CounterMetricFamily("ringfork_engine_packets_unsent", "Packets the system did not take.", engine.unsent)
        yield _lateness(engine)


def _lateness(engine: EngineStatistics) -> Metric:
    """How late each 20 ms tick began."""
    counts = np.cumsum(engine.tick_lateness)
    total = int(counts[-1]) if len(counts) else 0
    buckets = [
        (str(limit_ms / 1000), float(counts[min(round(limit_ms / _BIN_MS), len(counts)) - 1]))
        for limit_ms in _LATENESS_MS
    ]
    middles_s = (np.arange(len(engine.tick_lateness)) + 0.5) * _BIN_MS / 1000
    family = HistogramMetricFamily("ringfork_engine_tick_lateness_seconds", "How late a tick of the engine began.")
    family.add_metric([], [*buckets, ("+Inf", float(total))], sum_value=float((middles_s * engine.tick_lateness).sum()))
    return family


def registry_of(collector: Collector) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return registry
