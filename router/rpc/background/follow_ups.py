"""Changes that follow from others: fill the queue, drain inactive locations.

Both look at the current state, not at events: a server that was down finds the same
work when it is back. Several servers may do it at once; each change names the
revision it was made from, so only one succeeds and nothing is done twice.
"""

import asyncio
import functools
import logging
from collections.abc import Iterable

from availability.errors import AvailabilityError, StoreUnavailable
from availability.ledger.protocol import MAX_PAGE, Ledger
from availability.model import LocationId, Network, Sku
from availability.positions import Mark
from availability.reservations import OPEN_STATES
from router.amending.amender import Amender
from router.blocking_work import drive
from router.errors import RouterError
from router.optimize.limits import SolveLimits
from router.rerouting.dialogue import RerouteRequest, RerouteResult
from router.rerouting.open_plans import Selection
from router.rpc.background.driver import Driver
from router.rpc.background.rerouter import Rerouter
from router.rpc.transport.metrics import Metrics

FOLLOW_SECONDS = 1.0
"""Time between two looks."""
SOLVE_SECONDS = 1.0
"""Most time to plan one order of the queue."""
FUTILE = 50
"""Plans in a row that get no stock of a SKU, after which the others that wait for it
are left until its stock changes again: planning them all would slow checkouts."""
CLOSED_SECONDS = 60.0
"""Time to decide where the orders of inactive locations go."""

_log = logging.getLogger(__name__)


class FollowUps:
    """Fills the queue and drains inactive locations, off the event loop."""

    def __init__(
        self,
        ledger: Ledger,
        driver: Driver,
        amender: Amender,
        rerouter: Rerouter,
        metrics: Metrics,
    ) -> None:
        self._ledger = ledger
        self._driver = driver
        self._amender = amender
        self._rerouter = rerouter
        self._metrics = metrics
        self._mark: Mark | None = None
        self._network: Network | None = None
        self._left: frozenset[LocationId] = frozenset()

    async def fill_queue(self) -> None:
        """Give new stock to orders that wait, in the order of their promises."""
        changes = self._ledger.changes(self._mark)
        waiting = {sku for _, sku in self._ledger.queued()}
        if not changes.everything:
            waiting &= changes.skus
        served = 0
        for sku in sorted(waiting):
            served += await self._serve(sku)
        # Only now: after a failure the same changes are looked at again.
        self._mark = changes.mark
        if served:
            _log.info("filled from the queue", extra={"orders": served})

    async def _serve(self, sku: Sku) -> int:
        if not self._there(sku):
            return 0
        plans = await self._driver.bulk(lambda: self._ledger.waiting_plans(sku))
        served = futile = 0
        for plan in plans:
            if futile == FUTILE or not self._there(sku):
                break
            limits = SolveLimits(wall_seconds=SOLVE_SECONDS)
            steps = self._amender.serve_steps(plan, limits, self._metrics.planned)
            try:
                got = bool(await drive(steps, self._driver.do))
                served += got
                futile = 0 if got else futile + 1
            except StoreUnavailable:
                raise
            except (AvailabilityError, RouterError, ValueError) as error:
                # It ended meanwhile, or others changed it first, or an older version
                # stored it in a form that is not read: go on with the next.
                futile += 1
                why = type(error).__name__
                _log.debug("not filled", extra={"plan_id": plan.plan_id, "why": why})
        return served

    def _there(self, sku: Sku) -> bool:
        grid = self._ledger.grid()
        row = grid.rows.get(sku)
        return row is not None and bool((grid.read([row]) > 0).any())

    async def drain_inactive(self) -> None:
        """Move open orders away from locations that became inactive."""
        network = self._ledger.network()
        if network is self._network:
            return
        closed = frozenset(
            each.location_id for each in network.locations if not each.active
        )
        news = sorted(closed - self._left)
        look = functools.partial(self._has_orders, news)
        found: bool = bool(news) and await self._driver.bulk(look)
        if found:
            await self._leave(frozenset(news))
        self._network, self._left = network, closed

    def _has_orders(self, location_ids: Iterable[LocationId]) -> bool:
        """Return whether anything is promised from any of some locations."""
        after = None
        while True:
            page = self._ledger.stock((), tuple(location_ids), after, MAX_PAGE)
            if any(each.allocated or each.held for each in page.records):
                return True
            after = page.after
            if after is None:
                return False

    async def _leave(self, closed: frozenset[LocationId]) -> None:
        asked = RerouteRequest(
            Selection(OPEN_STATES, location_ids=closed), solve_seconds=CLOSED_SECONDS
        )
        async for step in self._rerouter.run(asked, asyncio.Event()):
            if isinstance(step, RerouteResult):
                after = step.summary.after
                extra = {
                    "locations": sorted(closed),
                    "orders": after.orders,
                    "moved": after.moved_orders,
                }
                _log.info("drained inactive locations", extra=extra)
