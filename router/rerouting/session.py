"""One re-routing: plans in, moves out, and a summary at the end.

Pure of databases and clocks but for the time a solver takes. The server runs it in
a process of its own (`router.rerouting.worker_process`), so that checkouts keep the
interpreter to themselves.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from availability.reservations import PlanRef, ReservationRecord
from router.errors import TooManyOrders
from router.line_units import Counts
from router.optimize.batch.engines.engine import LOCAL, Engine
from router.optimize.batch.limits import BatchLimits, Progress
from router.optimize.batch.problem import SHIPMENTS, visits
from router.optimize.batch.proof.saved import Saved
from router.optimize.batch.solve import solve_batch
from router.report.model import Bound, Count, Phase, Point, RoutingOutcome
from router.report.tally import ShippedUnits, Tally
from router.rerouting.joint_problem import (
    JointProblem,
    ReadStock,
    Wishes,
    build_joint_problem,
)
from router.rerouting.moves import Move, moves_of
from router.rerouting.open_plans import Pending, Selection, read_pending, why_alone
from router.rerouting.summary import Summary, Surroundings
from router.stored_plans import PlanCodec

MAX_ORDERS = 100_000
"""Most orders of one re-routing."""
MAX_POINTS = 500
"""Most points of the series of values and bounds; later ones replace the last."""


class RerouteSession:
    """Collects plans, decides about them, and sums up the result."""

    def __init__(
        self,
        selection: Selection,
        wishes: Wishes,
        stored: PlanCodec,
        engine: Engine = LOCAL,
    ) -> None:
        self._engine = engine
        self._selection = selection
        self._wishes = wishes
        self._stored = stored
        self._pending: dict[str, Pending] = {}
        self._joint: set[str] = set()
        self._kept: Counter[str] = Counter()
        self._first: JointProblem | None = None
        self._bound: int | None = None
        self._source = ""
        self._levels: tuple[tuple[str, int, int, str], ...] = ()
        self._now: dict[str, Counts] = {}
        self._moves: dict[str, Counts] = {}
        self._began = time.monotonic()
        self._series: list[Point] = []
        self._phases: list[tuple[str, float]] = []
        self.saved: Saved | None = None
        """The first problem and what proves its answer."""

    @property
    def count(self) -> int:
        """Orders that are selected so far."""
        return len(self._pending)

    def add(self, records: Iterable[ReservationRecord]) -> None:
        """Take the plans that are selected, of a page of open ones.

        Raises
        ------
        TooManyOrders
            There are more than `MAX_ORDERS`.
        """
        for record in records:
            pending = read_pending(record, self._stored)
            if pending is None or not self._selection.takes(pending):
                continue
            self._pending[record.plan_id] = pending
            self._now[record.plan_id] = pending.held.open
            reason = why_alone(pending, self._wishes.policy_of(pending))
            if reason:
                self._kept[reason] += 1
            else:
                self._joint.add(record.plan_id)
            if len(self._pending) > MAX_ORDERS:
                raise TooManyOrders(MAX_ORDERS)

    def solve(
        self,
        around: Surroundings,
        read_stock: ReadStock,
        limits: BatchLimits,
        progress: Callable[[Progress], None] = lambda _: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> list[Move]:
        """Return what is to be changed about all plans that were added."""
        orders = [each for key, each in self._pending.items() if key in self._joint]
        return self._solve(orders, around, read_stock, limits, progress, cancelled)

    def again(
        self,
        records: Sequence[ReservationRecord],
        around: Surroundings,
        read_stock: ReadStock,
        limits: BatchLimits,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> list[Move]:
        """Return what is to be changed about plans for which others were faster.

        The ``records`` are the plans as they are now.
        """
        orders = []
        for record in records:
            pending = read_pending(record, self._stored)
            if pending is None or record.plan_id not in self._joint:
                continue
            self._now[record.plan_id] = pending.held.open
            if not why_alone(pending, self._wishes.policy_of(pending)):
                orders.append(pending)
        return self._solve(
            orders, around, read_stock, limits, lambda _: None, cancelled
        )

    def _solve(
        self,
        orders: Sequence[Pending],
        around: Surroundings,
        read_stock: ReadStock,
        limits: BatchLimits,
        progress: Callable[[Progress], None],
        cancelled: Callable[[], bool],
    ) -> list[Move]:
        if not orders:
            return []
        joint = build_joint_problem(
            orders,
            around.network,
            read_stock,
            around.capacities,
            around.feeding,
            self._wishes,
        )

        def tell(step: Progress) -> None:
            step = _in_shipments(step, joint)
            self._note(step)
            progress(step)

        solution = solve_batch(joint.problem, limits, tell, cancelled, self._engine)
        if self._first is None:
            self._first = joint
            self.saved = Saved(joint.problem, solution.certificate)
            # Plain values, so that their readers need not import a solver.
            self._levels = tuple(
                (each.level, each.value, each.bound, each.provenance)
                for each in solution.levels
            )
            for level in solution.levels:
                if level.level == SHIPMENTS:
                    gap = level.value - level.bound
                    shipments = len(visits(joint.problem, solution.plan)[0])
                    # Rounded so that it stays a bound.
                    over = gap // joint.problem.shipment_weight
                    self._bound = shipments - over
                    self._source = level.provenance
        moves = moves_of(
            joint, solution.plan, self._wishes, self._stored, around.version
        )
        for each in moves:
            self._moves[each.plan.plan_id] = each.wanted
        return moves

    def _note(self, step: Progress) -> None:
        seconds = time.monotonic() - self._began
        if not self._phases or self._phases[-1][0] != step.phase:
            self._phases.append((step.phase, seconds))
        if self._first is not None or (step.value is None and step.bound is None):
            return
        point = Point(round(seconds, 3), step.value, step.bound)
        if len(self._series) == MAX_POINTS:
            self._series.pop()
        self._series.append(point)

    def applied(self, plan_ids: Iterable[str]) -> None:
        """Hear which moves were done."""
        for plan_id in plan_ids:
            self._now[plan_id] = self._moves[plan_id]

    def alone(self) -> list[PlanRef]:
        """Return the plans that can not be decided together with others."""
        return [
            PlanRef(plan_id) for plan_id in self._pending if plan_id not in self._joint
        ]

    def seen(self, records: Iterable[ReservationRecord]) -> None:
        """Hear of plans as they are now."""
        for record in records:
            pending = read_pending(record, self._stored)
            if pending is not None and record.plan_id in self._now:
                self._now[record.plan_id] = pending.held.open

    def summary(self) -> Summary:
        """Return the result."""
        before, after = Tally("before"), Tally("after")
        for plan_id, pending in self._pending.items():
            promised = sum(pending.held.open.values()) + sum(
                pending.held.queued.values()
            )
            for tally, counts in (
                (before, pending.held.open),
                (after, self._now[plan_id]),
            ):
                pieces = [
                    ShippedUnits(line_id, at, at, units)
                    for (line_id, at), units in counts.items()
                ]
                tally.add(pieces, max(0, promised - sum(counts.values())))
        outcomes = before.outcome(), after.outcome(before)
        ends = [at for _, at in self._phases[1:]] + [time.monotonic() - self._began]
        return Summary(
            *outcomes,
            self._shipments_bound(outcomes[1]),
            tuple(Count(*each) for each in sorted(self._kept.items())),
            tuple(self._series),
            tuple(
                Phase(name, round(end - start, 3))
                for (name, start), end in zip(self._phases, ends, strict=False)
            ),
            self._levels,
        )

    def _shipments_bound(self, after: RoutingOutcome) -> Bound | None:
        """Return what the proof says of all orders' shipments.

        It counts split lines among the shipments where the policy does, and moves
        where they have to gain: so it is of plans that split no more lines, and move
        no more orders, than the one that was found.
        """
        if self._bound is None:
            return None
        others = sum(
            len({at for _, at in pending.held.open})
            for plan_id, pending in self._pending.items()
            if plan_id not in self._joint
        )
        source = self._source
        return Bound(self._bound + others, after.complete_orders, source)


def _in_shipments(step: Progress, joint: JointProblem) -> Progress:
    """Return what is known in whole shipments; both rounded up: they keep order."""
    scale = joint.problem.shipment_weight
    value = None if step.value is None else -(-step.value // scale)
    bound = None if step.bound is None else -(-step.bound // scale)
    return Progress(step.phase, value, bound)
