"""What the service counts and measures, for Prometheus; no label names a patient."""

import os
from collections.abc import Callable
from functools import cache

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Counters:
    """The counters of one worker; `expose` adds up all workers of the service.

    Each is called with its labels, which are few and known beforehand, so the cache stays small.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.answers = self._counter(
            "answers", "Answers, by operation and HTTP status", "operation", "status"
        )
        self.predictions = self._counter(
            "predictions",
            "Predictions that were recorded and answered",
            *("model", "version", "protocol", "band"),
        )
        self.refusals = self._counter(
            "refusals",
            "Requests that got no score, by reason",
            *("model", "version", "protocol", "reason"),
        )
        self.feedback = self._counter(
            "feedback",
            "Reports of what was done, by whether their reason is one that cards offer",
            *("model", "protocol", "outcome", "reason"),
        )
        self.problems = self._counter(
            "problems", "Answers that were errors, by kind", "operation", "problem"
        )
        seconds = Histogram(
            "auscult_answer_seconds",
            "Time from request to answer",
            ("operation",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.seconds: Callable[[str], Histogram] = cache(seconds.labels)

    def _counter(self, name: str, about: str, *labels: str) -> Callable[..., Counter]:
        return cache(Counter(f"auscult_{name}", about, labels, registry=self._registry).labels)

    def expose(self) -> bytes:
        """Return all figures in Prometheus' text format."""
        registry = self._registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            # the server set this before its workers started, and each keeps its figures there
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library's
        return generate_latest(registry)
