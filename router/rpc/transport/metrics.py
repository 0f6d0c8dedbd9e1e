"""What a server counts and times, for Prometheus; docs/operations.md has the names.

A registry for each server and none for the process, so that a process can have
several. What every call and every plan counts are plain numbers, of the event
loop's thread alone: prometheus_client's take a lock each, and what costs a call
1 µs would cost it 5.
"""

import bisect
import itertools
from collections import Counter as Counts
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grpc
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import (
    CounterMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from router.model import PlanStatus, RoutingPlan

CALL_SECONDS = (
    *(0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064),
    *(0.125, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0),
)
SOLVE_SECONDS = (
    *(0.00001, 0.00003, 0.0001, 0.0003, 0.001, 0.003),
    *(0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0),
)
COMMIT_SECONDS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01),
    *(0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)
COMMIT_SIZES = (1, 2, 4, 8, 16, 32, 64)

CODES = {each.value[0]: each.name for each in grpc.StatusCode}


class Times:
    """How often something took how long; ``bounds`` are in seconds."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        # The last is for what is longer than every bound.
        self._counts = [0] * (len(bounds) + 1)
        self._seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count something that took so long."""
        self._counts[bisect.bisect_left(self._bounds, seconds)] += 1
        self._seconds += seconds

    def add_to(self, into: HistogramMetricFamily, label: str) -> None:
        """Add what was counted to a metric."""
        bounds = (*map(str, self._bounds), "+Inf")
        below = itertools.accumulate(self._counts)
        into.add_metric([label], list(zip(bounds, below, strict=True)), self._seconds)


class MethodMetrics:
    """What is counted of one method."""

    def __init__(self) -> None:
        self.started = 0
        self.codes = dict.fromkeys(CODES, 0)
        self.times = Times(CALL_SECONDS)

    def handled(self, code: int, seconds: float) -> None:
        """Count a call that has ended."""
        self.codes[code] += 1
        self.times.add(seconds)


class LoopCollector(Collector):
    """Gives Prometheus the counts of the event loop."""

    def __init__(self) -> None:
        self.methods: dict[str, MethodMetrics] = {}
        self.plans: Counts[tuple[str, PlanStatus, bool]] = Counts()
        self.solving: dict[str, Times] = {}

    def collect(self) -> Iterator[Metric]:
        """Make samples; in the thread of the scrape."""
        yield from self._calls()
        plans = CounterMetricFamily(
            "repartir_plans",
            "Plans sent to callers; a repeated request is not counted again.",
            labels=("engine", "status", "proven"),
        )
        for (engine, status, proven), count in list(self.plans.items()):
            label = "true" if proven else "false"
            plans.add_metric([engine, status.name.lower(), label], count)
        solving = HistogramMetricFamily(
            "repartir_solve_seconds",
            "Time that an engine took for a plan, without waiting.",
            labels=("engine",),
        )
        for engine, times in list(self.solving.items()):
            times.add_to(solving, engine)
        yield from (plans, solving)

    def _calls(self) -> Iterator[Metric]:
        labels = ("method",)
        started = CounterMetricFamily(
            "repartir_rpc_started", "Calls started.", labels=labels
        )
        handled = CounterMetricFamily(
            "repartir_rpc_handled", "Calls that ended.", labels=(*labels, "code")
        )
        seconds = HistogramMetricFamily(
            *("repartir_rpc_seconds", "Time from a call's request to its reply."),
            labels=labels,
        )
        for method, counted in list(self.methods.items()):
            started.add_metric([method], counted.started)
            # Also those that are 0: a rate shows a step from 0 to 1 only then.
            for code, count in counted.codes.items():
                handled.add_metric([method, CODES[code]], count)
            counted.times.add_to(seconds, method)
        yield from (started, handled, seconds)


class Metrics:
    """All that one server counts."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._loop = LoopCollector()
        registry.register(self._loop)
        of: dict[str, Any] = {"registry": registry}
        self._conflicts = Counter(
            "repartir_conflicts",
            "Times an order was planned again because others took its stock.",
            **of,
        )
        self._contention = Counter(
            "repartir_contention",
            "Orders given up after every attempt met a conflict.",
            **of,
        )
        self._commit_size = Histogram(
            "repartir_commit_size",
            "Reservations in one commit.",
            buckets=COMMIT_SIZES,
            **of,
        )
        self._commit_seconds = Histogram(
            "repartir_commit_seconds",
            "Time that a commit of reservations took.",
            buckets=COMMIT_SECONDS,
            **of,
        )

    def of_method(self, method: str) -> MethodMetrics:
        """Return what counts the calls of a method."""
        return self._loop.methods.setdefault(method, MethodMetrics())

    def watch(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Have a value read at each scrape, in another thread."""
        Gauge(name, text, registry=self.registry).set_function(read)

    def planned(self, plan: RoutingPlan) -> None:
        """Count a plan that is sent to its caller; from the event loop."""
        self._loop.plans[plan.engine, plan.status, plan.proven] += 1
        times = self._loop.solving.get(plan.engine)
        if times is None:
            times = self._loop.solving[plan.engine] = Times(SOLVE_SECONDS)
        times.add(plan.solve_micros / 1e6)
        if plan.conflict_count:
            self._conflicts.inc(plan.conflict_count)

    def contended(self, attempts: int) -> None:
        """Count an order given up after all its attempts."""
        self._conflicts.inc(attempts)
        self._contention.inc()

    def committed(self, size: int, seconds: float) -> None:
        """Count a commit; from the thread that writes."""
        self._commit_size.observe(size)
        self._commit_seconds.observe(seconds)
