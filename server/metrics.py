"""What the web process counts, for Prometheus. Every name is documented in docs/metrics.md."""

from __future__ import annotations

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from core.events import OWN_TYPES, TYPES
from personalization.complaints import Complaints
from personalization.decide import Decisions

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


log = structlog.get_logger()


class Metrics:
    """One registry per process: nothing global."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._complaints = Complaints()
        counter, gauge = self._counter, self._gauge
        self.events = counter("events_accepted", "Events accepted", "type")
        # Looking a label up takes longer than counting.
        self._events = {kind: self.events.labels(kind) for kind in (*sorted(TYPES), *sorted(OWN_TYPES))}
        self.rejections = counter("events_rejected", "Events refused, by reason", "code")
        self.ignored = counter("beacons_ignored", "Beacons answered but not counted", "why")
        self.decisions = counter("decisions", "Slots decided", "outcome")
        self._variants, self._originals = map(self.decisions.labels, ("variant", "original"))
        self.decision_errors = counter("decision_errors", "Slots that failed and kept their original")
        self.beacon_seconds = Histogram(
            "kizashi_beacon_seconds", "Time to answer a beacon", buckets=_SECONDS, registry=self.registry
        )
        self.spool_events = counter(
            "spool_events", "Events while the broker was away, by what became of them", "what"
        )
        self.live = counter("live", "Live streams, by what became of them", "what")
        self.live_streams = gauge("live_streams", "Pages that listen for live decisions")
        self.site_errors = gauge(
            "sites_errors", "Reads of the published sites that failed; the last ones stay in use"
        )
        self.condition_errors = gauge(
            "condition_errors", "Conditions that failed while they were evaluated, and so matched nobody"
        )
        self.spool_bytes = gauge("spool_bytes", "Bytes of events that wait on disk for the broker")

    def _counter(self, name: str, words: str, *labels: str) -> Counter:
        return Counter(f"kizashi_{name}_total", words, labels, registry=self.registry)

    def _gauge(self, name: str, words: str) -> Gauge:
        return Gauge(f"kizashi_{name}", words, registry=self.registry)

    def accepted(self, kind: str) -> None:
        """Count an event."""
        self._events[kind].inc()

    def lived(self, what: str) -> None:
        """Count what became of live streams: an update `sent`, a stream `refused`, a `slow` reader cut off."""
        self.live.labels(what).inc()

    def spooled(self, what: str, count: int) -> None:
        """Count events that were `kept` on disk, `drained` to the stream, or `refused`."""
        self.spool_events.labels(what).inc(count)

    def decided(self, decisions: Decisions, now: int) -> None:
        """Count what the slots of one call got; what fails is named in the log, once a minute."""
        for decision in decisions.decisions.values():
            (self._variants if decision else self._originals).inc()
        if decisions.errors:
            self.decision_errors.inc(len(decisions.errors))
            for what in self._complaints.news(decisions.errors, now):
                log.error("a slot keeps its original", what=what)

    def render(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)
