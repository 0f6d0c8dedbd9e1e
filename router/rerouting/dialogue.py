"""Requests and replies of a re-routing."""

from typing import NamedTuple

from router.rerouting.joint_problem import Wishes
from router.rerouting.open_plans import Selection
from router.rerouting.summary import Summary


class RerouteRequest(NamedTuple):
    """One re-routing. ``min_age_seconds`` is how long ago an order was routed."""

    selection: Selection = Selection()
    wishes: Wishes = Wishes()
    solve_seconds: float = 60.0
    min_age_seconds: float = 0.0
    validate_only: bool = False
    certificate: bool = False


class RerouteProgress(NamedTuple):
    """How far it is; see `router.optimize.batch.limits.Progress` for the numbers."""

    phase: str
    orders: int = 0
    value: int | None = None
    bound: int | None = None
    moves: int = 0
    applied: int = 0
    conflicts: int = 0


class RerouteResult(NamedTuple):
    """The result; ``saved`` is the file that proves it, if requested."""

    summary: Summary
    conflicts: int
    given_up: int
    stopped: bool
    validate_only: bool
    saved: bytes
