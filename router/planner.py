"""One order planned: read the stock, solve, check, and put into words.

A generator of its blocking work, as in `router.pipeline`. Nothing is reserved here.
"""

import time
from collections.abc import Generator
from dataclasses import replace
from typing import Any, NamedTuple

from availability.model import Request
from availability.stock_view import RoutingView
from router.blocking_work import (
    ExplainWork,
    PlanExplanation,
    ReplayWork,
    Solved,
    SolveWork,
)
from router.model import (
    Counterfactuals,
    Order,
    PlanStatus,
    RoutingPlan,
    RoutingPolicy,
    UnassignedReason,
)
from router.optimize.limits import SolveLimits
from router.optimize.problem import Solution
from router.optimize.proofs.exact import solve_fast
from router.planning.assemble import CheckedSolution, PlanMeta, accept, make_plan
from router.planning.build import AvailableUnits, build
from router.planning.candidates import CandidateFinder
from router.planning.unassigned_reasons import LEAST_SECONDS, plain_reasons
from router.selling.sale import LimitedGrid, Sale
from router.stored_plans import OwnStock
from router.validation.sense import validate_sense

EXPLAIN_SHARE = 0.1
"""Of the time for solving, what explaining has even when none of it is left."""

Evaluating = Generator[SolveWork | ReplayWork, Any, RoutingPlan]
Explaining = Generator[SolveWork, Any, PlanExplanation]


class Attempt(NamedTuple):
    """One attempt to plan an order; ``limits.wall_seconds`` is for all until ``end``.

    ``own`` is what the order's reservation holds already, for one that is planned
    again.
    """

    limits: SolveLimits
    end: float
    counterfactuals: bool = False
    plan_id: str = ""
    conflicts: int = 0
    own: OwnStock | None = None
    request: Request = Request()

    def limits_left(self, least_share: float = 0.0) -> SolveLimits:
        """Return the limits with the time that is left, at least a share of all."""
        least = max(LEAST_SECONDS, least_share * self.limits.wall_seconds)
        left = self.end - time.monotonic()
        return replace(self.limits, wall_seconds=max(least, left))


class AnsweredBeforeError(Exception):
    """The request has a reply already."""

    def __init__(self, reply: bytes) -> None:
        self.reply = reply


class Planner:
    """Plans orders; remembers what it found out about networks."""

    def __init__(self) -> None:
        self._finder = CandidateFinder()

    def steps(
        self, sale: Sale, policy: RoutingPolicy, view: RoutingView, attempt: Attempt
    ) -> Evaluating:
        """Plan what was sold of an order.

        Raises
        ------
        InvalidOrder
            The order makes no sense here; every breach is listed.
        AnsweredBeforeError
            The request has a reply already; looked up before a search only.
        SolverError
            A fault of ours.
        """
        _, grid, capacities = view
        # Of the grid, so that columns and locations cannot differ.
        network = grid.network
        if attempt.own is None:
            validate_sense(sale.whole, policy, network, grid, sale.exempt)
        order = sale.planned
        if not order.lines:
            plan = _nothing(order, policy, grid.version, attempt)
            return sale.add_unplanned(plan)
        shown: AvailableUnits = grid
        if sale.limits:
            shown = LimitedGrid(grid, sale.limits)
        candidates = self._finder.find(order, policy, network, capacities, sale.feeding)
        built = build(order, policy, candidates, shown, capacities, attempt.own)
        started = time.perf_counter_ns()
        solution = None
        if built.walk_order is None:
            solution = Solution((), "exact")
            if candidates.pool.locations:
                solution = solve_fast(built.problem)
        micros = (time.perf_counter_ns() - started) // 1_000
        if solution is None:
            if attempt.request.request_id and not attempt.conflicts:
                reply = yield ReplayWork(attempt.request)
                if reply is not None:
                    raise AnsweredBeforeError(reply)
            solved: Solved = yield SolveWork(
                built.problem, attempt.limits_left(), built.walk_order
            )
            solution, micros = solved
        judged = accept(built, solution)
        reasons: dict[int, UnassignedReason] = {}
        found: Counterfactuals | None = None
        if judged.short or attempt.counterfactuals:
            reasons, found = yield from _explain(judged, attempt)
        made = PlanMeta(micros, attempt.plan_id, attempt.conflicts, found)
        plan = make_plan(judged, reasons, made)
        return sale.add_unplanned(plan) if sale.waiting or sale.unsold else plan


def _explain(judged: CheckedSolution, attempt: Attempt) -> Explaining:
    """Find why units are not assigned, and what it would have taken."""
    reasons = plain_reasons(judged) if judged.short else {}
    if not attempt.counterfactuals and len(reasons) == len(judged.short):
        return PlanExplanation(reasons, None)
    explained: PlanExplanation = yield ExplainWork(
        problem=judged.built.problem,
        limits=attempt.limits_left(EXPLAIN_SHARE),
        judged=judged,
        reasons=reasons,
        counterfactuals=attempt.counterfactuals,
    )
    return explained


def _nothing(
    order: Order, policy: RoutingPolicy, version: int, attempt: Attempt
) -> RoutingPlan:
    """Return the plan of an order of which nothing is to be shipped now."""
    return RoutingPlan(
        order.order_id,
        PlanStatus.NONE,
        (),
        (),
        (),
        (),
        {},
        version,
        "exact",
        0,
        policy.name,
        attempt.plan_id,
        attempt.conflicts,
    )
