"""Routes past orders again, one after another, under a policy, and tallies the plans.

Orders go through `Router.route`, the steps of a server, over stock in memory that
keeps units and promises but no reservations: the memory of a replay does not grow
with its length.
"""

from collections.abc import Sequence

from availability.memory_stock import MemoryStock
from availability.reservations import Reservation
from router.errors import InvalidOrder
from router.model import Order, RoutingPolicy
from router.optimize.limits import SolveLimits
from router.pipeline import RouteOptions, Router
from router.report.model import Report
from router.report.tally import Tally

WALL_SECONDS = 60.0
"""Longest search for one order, by the clock. Its limit in the solver's own units of
work comes long before: so the same replay ends the same on every machine."""

NOTES = (
    "Orders were routed in the order of the file, each from the stock that those "
    "before it left.",
    "Not modelled: time. No stock arrives or is recounted, and nothing is cancelled, "
    "returned or refused by a location; capacities are those of one day, and limits "
    "per customer are off.",
)

REFUSALS = frozenset(
    {
        "MIN_PER_ORDER",
        "MAX_PER_ORDER",
        "MULTIPLE_PER_ORDER",
        # Picked units that other orders took in this replay, and not in the past.
        "FROZEN_BREAKS_LIMIT",
    }
)
"""Reasons of an `InvalidOrder` that are answers: the order is well written."""


class PassingStock(MemoryStock):
    """Stock whose reservations are counted and forgotten."""

    def reserve(self, reservation: Reservation) -> bytes:
        """Take the claims and count the promises."""
        self.promise(reservation)
        return reservation.reply


def replay_limits(work_seconds: float) -> SolveLimits:
    """Return limits for one order that do not depend on the machine."""
    return SolveLimits(wall_seconds=WALL_SECONDS, deterministic_time=work_seconds)


class Replay:
    """One pass of orders over one stock, under one policy.

    ``now_seconds`` is the instant at which every order comes: it opens and closes
    pre-orders and makes counts stale.
    """

    def __init__(
        self,
        name: str,
        policy: RoutingPolicy,
        stock: PassingStock,
        limits: SolveLimits,
        now_seconds: int,
    ) -> None:
        self.tally = Tally(name)
        self._policy = policy
        self._options = RouteOptions(limits)
        self._router = Router(stock, clock=lambda: float(now_seconds))

    def route(self, order: Order) -> None:
        """Route the next order; what its channel refuses is counted as refused.

        Raises
        ------
        InvalidOrder
            The order makes no sense here; it is not counted.
        RouterError
            A fault of ours: nothing else takes this stock.
        """
        try:
            routed = self._router.route(order, self._policy, self._options)
        except InvalidOrder as error:
            reasons = {each.reason for each in error.violations}
            if not reasons <= REFUSALS:
                raise
            units = sum(line.quantity for line in order.lines)
            self.tally.add_refused(units, {min(reasons).lower(): units})
        else:
            if routed.plan is not None:
                self.tally.add_plan(routed.plan)


def replay_report(title: str, tallies: Sequence[Tally]) -> Report:
    """Return policies side by side; the first is what the others are compared with.

    Raises
    ------
    ValueError
        No policies, too many, two of one name, or of different numbers of orders.
    """
    base = tallies[0] if tallies else None
    outcomes = [each.outcome(None if each is base else base) for each in tallies]
    return Report(title=title, outcomes=tuple(outcomes), notes=NOTES)
