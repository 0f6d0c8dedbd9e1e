"""An integer plan, repaired: orders that pay extra look again, then neighbourhoods.

First each such order alone takes the best that is left for it now. Of equal plans it
takes the one of units that are worth least, so that the next finds more: on real
baskets that saves most of what can be saved in a few seconds. Then orders that contend
for the same scarce SKUs choose again together.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from availability.model import IntArray
from router.optimize.batch.column_generation.master import without
from router.optimize.batch.context import BatchContext
from router.optimize.batch.plans.incumbent import Incumbent
from router.optimize.batch.plans.moves import Pieces, pieces_of
from router.optimize.batch.pricing.nodes import NEIGHBOUR_NODES, REPAIR_NODES
from router.optimize.batch.pricing.pricing import SCALE, Pricer, branched
from router.optimize.batch.repair.neighbourhood import Neighbourhoods, choose
from router.optimize.batch.scarcity.peel import Peeled, fixed_of

_ENOUGH = 5_000
"""A plan with less than a shipment too many for so many orders is not repaired."""
_SHARE = 0.9
"""Of the time, when repair has to end."""
_SWEEPS, _GAIN = 20, 1_000
"""Most sweeps over the orders that pay extra, and of how many shipments a sweep has to
save one for another sweep."""
_CHEAP = 6
"""Bits that prices lose when they only decide between plans with as many shipments."""
_PICKS, _PATIENCE = 20, 10
"""Neighbourhoods before the orders that pay extra are listed again; how many per such
order may bring no gain, one after the other."""


class Repair:
    """Repair of the plan of the orders that contend, at ``(K, N)`` prices of a unit.

    ``later`` is what orders that have no plan yet will cost at the level
    ``shipments``: only for the progress.
    """

    def __init__(
        self,
        context: BatchContext,
        incumbent: Incumbent,
        peeled: Peeled,
        price: IntArray,
        later: int,
    ) -> None:
        self._problem, self._limits, self._watch, _ = context
        problem, limits = context.problem, context.limits
        self._incumbent = incumbent
        self._kernel: list[int] = peeled.kernel.tolist()
        self._without: list[int] = without(problem, peeled.kernel).tolist()
        self._price = price
        self._around = Neighbourhoods(
            problem, peeled.kernel, peeled.scarce, limits.seed
        )
        self._rng = np.random.default_rng(limits.seed)
        self._value = incumbent.total() + later
        # Neighbourhoods without a gain since the plan last changed: choosing again
        # would have the same result.
        self._futile: set[frozenset[int]] = set()
        self._since = 0

    def run(self, proven: int) -> None:
        """Repair until no order moves needlessly and the whole is near ``proven``.

        Which is what the orders that contend cost at least, in 1 / `SCALE`; see
        `_ENOUGH`. Or until there is no time, or `BatchLimits.neighbourhoods` are done.
        """
        self._saved(0)
        self._alone(proven)
        tries = 0
        while tries < self._limits.neighbourhoods and not self._watch.stop(_SHARE):
            extra = self._extra()
            patient = self._since < _PATIENCE * len(extra)
            if not patient or self._done(extra, proven):
                break
            for at in self._rng.permutation(len(extra))[:_PICKS].tolist():
                if tries >= self._limits.neighbourhoods or self._watch.stop(_SHARE):
                    break
                tries += 1
                self._together(extra[at])

    @cached_property
    def _branched(self) -> frozenset[int]:
        """The orders of which not all patterns worth knowing can have been found."""
        kernel = np.array(self._kernel, dtype=np.int64)
        return frozenset(branched(self._problem, kernel).tolist())

    def _extra(self) -> list[int]:
        """Return the orders that pay more than their best pattern would cost."""
        incumbent = self._incumbent
        return [
            order
            for order in self._kernel
            if order in incumbent.plan
            and incumbent.worth(order, incumbent.plan[order])
            > min(incumbent.known[order].values(), default=0)
        ]

    def _done(self, extra: list[int], proven: int) -> bool:
        """Return whether the plan is good enough."""
        incumbent = self._incumbent
        if any(incumbent.moves(each, incumbent.plan[each]) for each in extra):
            return False
        ships = self._problem.orders * self._problem.shipment_weight
        return self._above(proven) * _ENOUGH <= ships

    def _above(self, proven: int) -> int:
        """Return how far the cost of the kernel's plan is above its bound.

        An order without a plan counts as much as the LP lets it go without for.
        """
        incumbent = self._incumbent
        total = 0
        for order, cost in zip(self._kernel, self._without, strict=True):
            pieces = incumbent.plan.get(order)
            total += cost if pieces is None else incumbent.cost(order, pieces)
        return total + -proven // SCALE

    def _saved(self, shipments: int) -> None:
        self._value -= shipments
        self._watch.value = self._value
        self._watch.tell("repair")

    def _alone(self, proven: int) -> None:
        """Let orders that pay extra look again, one by one, while that helps."""
        price = self._price >> _CHEAP
        for _ in range(_SWEEPS):
            extra = self._extra()
            if not extra or self._done(extra, proven):
                break
            before = self._value
            for order in self._rng.permutation(extra).tolist():
                if self._watch.stop(_SHARE):
                    return
                gain = self._look_again(order, price)
                if gain:
                    self._saved(gain)
            if (before - self._value) * _GAIN < before:
                break

    def _look_again(self, order: int, price: IntArray) -> int:
        """Give an order the best that is left; return what that saves, 0 or more."""
        incumbent = self._incumbent
        now = incumbent.plan[order]
        incumbent.put(order, ())
        found = tuple(sorted(incumbent.remaining.best(order, price, REPAIR_NODES)))
        found = incumbent.or_stay(order, found)
        if not found or not self._better(order, found, now, price):
            incumbent.put(order, now)
            return 0
        incumbent.put(order, found)
        incumbent.learn(order, found)
        return incumbent.cost(order, now) - incumbent.cost(order, found)

    def _better(self, order: int, found: Pieces, now: Pieces, price: IntArray) -> bool:
        """Return whether an order may have other pieces, which may be as good."""
        incumbent, sku = self._incumbent, self._problem.sku
        capped = self._problem.max_moves is not None
        if capped and incumbent.moves(order, found) > incumbent.moves(order, now):
            return False
        worths = [
            (
                incumbent.worth(order, pieces),
                sum(units * int(price[sku[line], n]) for line, n, units in pieces),
            )
            for pieces in (found, now)
        ]
        return worths[0] <= worths[1]

    def _together(self, order: int) -> None:
        """Let an order and those that contend with it choose again."""
        incumbent, limits = self._incumbent, self._limits
        orders = self._around.around(
            order, limits.size, lambda each: len(incumbent.known[each]) > 1
        )
        hard = [each for each in orders if each in self._branched]
        if hard:
            self._learn(orders, hard)
        self._since += 1
        together = frozenset(orders)
        if not hard and together in self._futile:
            return
        most = self._problem.max_moves
        gain = choose(incumbent, orders, limits.work, limits.seed, most)
        if any(gain):
            self._saved(gain.shipments)
            self._futile.clear()
            self._since = 0
        else:
            self._futile.add(together)

    def _learn(self, orders: Sequence[int], hard: Sequence[int]) -> None:
        """Look for patterns of some orders on what is left without all ``orders``."""
        incumbent, problem = self._incumbent, self._problem
        before = incumbent.take_away(orders)
        pricer = Pricer(problem, np.array(hard, dtype=np.int64))
        share = int(self._rng.integers(0, 1 << _CHEAP))
        price = self._price * share >> _CHEAP
        stock = incumbent.remaining.usable()
        found = pricer.price(stock, price, fixed_of(problem), NEIGHBOUR_NODES)
        for each, pieces in pieces_of(found):
            incumbent.learn(each, pieces)
        incumbent.put_all(before)
