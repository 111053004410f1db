"""The service's numbers for Prometheus. Needs the extra `metrics`; without it there are none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prometheus_client.core import Metric

STATES = ("starting", "idle", "building", "waiting", "degraded", "held", "stopped")


def exposition(overview: Mapping[str, Any]) -> tuple[bytes, str] | None:
    """The overview of all sites in Prometheus's text form, and its content type; None without the extra."""
    try:
        from prometheus_client import CollectorRegistry
        from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
    except ImportError:
        return None

    class Collected:
        def collect(self) -> Iterator[Metric]:
            return families(overview)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collected())
    return generate_latest(registry), CONTENT_TYPE_LATEST


def families(overview: Mapping[str, Any]) -> Iterator[Metric]:
    """Read off the overview at each scrape: numbers kept twice would one day differ."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    site = ["site"]
    events = GaugeMetricFamily("velobuild_events", "Events in the queue by state", labels=["site", "state"])
    state = GaugeMetricFamily("velobuild_state", "1 for the state the site is in", labels=["site", "state"])
    deliveries = CounterMetricFamily("velobuild_deliveries", "Deliveries by outcome", labels=["site", "outcome"])
    builds = CounterMetricFamily("velobuild_builds", "Builds since the start", labels=site)
    failed = CounterMetricFamily("velobuild_builds_failed", "Failed builds since the start", labels=site)
    in_a_row = GaugeMetricFamily("velobuild_failures_in_a_row", "Builds that failed since one succeeded", labels=site)
    children = CounterMetricFamily("velobuild_build_processes", "Build processes that were started", labels=site)
    calls = GaugeMetricFamily("velobuild_api_calls_today", "Calls to the CMS since midnight UTC", labels=site)
    took = GaugeMetricFamily("velobuild_last_build_seconds", "How long the last build took", labels=site)
    for name, fares in overview.items():
        status, door = fares["status"], fares["door"]
        for one in STATES:
            state.add_metric([name, one], float(status["state"] == one))
        for kind, count in fares["queue"].items():
            if kind != "done":  # older ones are forgotten: neither a gauge nor a counter
                events.add_metric([name, kind], count)
        for outcome in ("accepted", "refused", "unusable"):
            deliveries.add_metric([name, outcome], door[outcome])
        builds.add_metric([name], status["builds_total"])
        failed.add_metric([name], status["failed_total"])
        in_a_row.add_metric([name], status["failures"])
        children.add_metric([name], status["children_total"])
        calls.add_metric([name], status["calls_today"])
        if status["builds"]:
            took.add_metric([name], status["builds"][0]["took_ms"] / 1000)
    yield from (events, state, deliveries, builds, failed, in_a_row, children, calls, took)
