"""The agent's own metrics: all of them are named and described in this file.

Counters are incremented once per batch, through children bound at construction
(`metrics.received.labels(container)`), never per line. Depths are read when `/metrics` is scraped:
each owner of a queue registers a collector. Tests pass their own registry.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics

from pipeline.model.stage_metrics import Derived

# `_created` would be a second series for each counter, and takes half of the time of a scrape.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The metrics called `dockline_*`. The number of series is limited: a container's series are
    removed with the container."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """`registry`: where to register them; by default a new one."""
        self.registry = registry or CollectorRegistry()
        self.derived = Derived(self.registry)
        """Metrics that stages make from entries."""
        counter, gauge = self._counter, self._gauge

        self.received = counter("received_entries", "Entries read from a container.", "container")
        self.received_bytes = counter(
            "received_bytes", "Bytes of messages read from a container.", "container"
        )
        self.log_gaps = counter(
            "log_gaps",
            "Places in a container's log where the Engine may have lost lines before they were "
            "read: skipped, rotated away, or damaged.",
            "container",
        )
        self.http_refused = counter(
            "http_refused_requests",
            "Requests to the agent's HTTP endpoint that were refused: without its token, after "
            "too many wrong ones, for another host name, or from a page of another site.",
            "reason",
        )
        self.http_ended = counter(
            "http_ended_connections",
            "Connections to the agent's HTTP endpoint that it closed: the head of a request came "
            "too late or was too large, there were too many connections, or a TLS handshake "
            "failed.",
            "reason",
        )
        self.filtered = counter(
            "filtered_entries", "Entries that a stage dropped on purpose.", "route", "stage"
        )
        self.made = counter(
            "made_entries",
            "Entries that a stage made by splitting others: all parts of an entry but one.",
            "route",
            "stage",
        )
        self.stage_errors = counter(
            "stage_errors",
            "Batches on which a stage failed, which is a bug in it; entries, if the stage runs "
            "your code.",
            "route",
            "stage",
        )
        self.delivered = counter("delivered_entries", "Entries that a sink has taken.", "sink")
        self.delivered_bytes = counter(
            "delivered_bytes", "Bytes on the wire that a sink has taken.", "sink"
        )
        self.memory_errors = counter(
            "memory_errors",
            "How often there was not enough memory for something. It is done again in smaller "
            "parts, or later.",
            "where",
        )
        self.dropped = counter(
            "dropped_entries", "Entries lost, and why: a policy or a refusal.", "sink", "reason"
        )
        self.dead_lettered = counter(
            "dead_lettered_entries", "Entries handed to the dead-letter sink.", "sink"
        )
        self.truncated = counter(
            "truncated_entries", "Entries cut to the destination's size limit.", "sink"
        )
        self.retried = counter("retried_payloads", "Payloads that had to be sent again.", "sink")
        self.source_errors = counter(
            "source_errors", "Errors of the Engine's streams, by kind.", "kind"
        )
        self.source_messages = counter(
            "source_taken_messages", "Messages that a source has taken from its peers.", "source"
        )
        self.source_entries = counter(
            "source_taken_entries", "Entries in messages that a source has taken.", "source"
        )
        self.source_bytes = counter(
            "source_taken_bytes", "Bytes of entries in messages that a source has taken.", "source"
        )
        self.source_settled = counter(
            "source_settled_messages",
            "Messages that every sink has settled, so that the peer may forget them.",
            "source",
        )
        self.source_refused = counter(
            "source_refused_messages",
            "Messages or connections that were invalid or too many, by reason.",
            "source",
            "reason",
        )
        self.source_restarts = counter(
            "source_restarts", "How often a source had to be opened again.", "source"
        )
        self.containers = gauge("containers", "Containers being followed.")
        self.engine_up = gauge("engine_up", "1 while the Engine answers.")
        self.reloads = counter(
            "config_reloads", "Reloads of the configuration: success, or refused.", "result"
        )
        self.reload_success = gauge(
            "config_last_reload_success", "1 unless the last reload was refused."
        )
        self.reload_time = gauge(
            "config_last_reload_success_timestamp_seconds",
            "When the present configuration was loaded (Unix time).",
        )
        self.label_errors = gauge(
            "label_errors", "dockline.* labels that are invalid.", "container", "label"
        )
        self.labels_left_out = gauge(
            "labels_left_out",
            "Labels of a container that are left out: those beyond 256 KiB.",
            "container",
        )
        self._wrong: dict[str, set[str]] = {}
        """Names of invalid labels, by container name."""

    def forget_container(self, name: str) -> None:
        """Removes the series of a container. `name`: the container's name."""
        for metric in (self.received, self.received_bytes, self.log_gaps):
            with contextlib.suppress(KeyError):
                metric.remove(name)
        self.set_label_errors(name, ())
        self.set_labels_left_out(name, 0)

    def set_label_errors(self, name: str, labels: Collection[str]) -> None:
        """Sets which labels of a container are invalid; all others are valid from now on."""
        before = self._wrong.pop(name, set())
        for label in before.difference(labels):
            self.label_errors.remove(name, label)
        for label in labels:
            self.label_errors.labels(name, label).set(1)
        if labels:
            self._wrong[name] = set(labels)

    def set_labels_left_out(self, name: str, count: int) -> None:
        """Sets how many labels of a container are left out."""
        if count:
            self.labels_left_out.labels(name).set(count)
        else:
            with contextlib.suppress(KeyError):
                self.labels_left_out.remove(name)

    def forget_source(self, name: str) -> None:
        """Removes the series of a configured source."""
        for metric in (
            self.source_messages, self.source_entries, self.source_bytes, self.source_settled,
            self.source_restarts,
        ):  # fmt: skip
            with contextlib.suppress(KeyError):
                metric.remove(name)
        self.source_refused.remove_by_labels({"source": name})

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"dockline_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"dockline_{name}", text, labels, registry=self.registry)
