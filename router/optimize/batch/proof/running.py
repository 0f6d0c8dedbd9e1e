"""How few shipments there can be, as far as is known while a run goes on.

Cheap and conservative; `router.optimize.batch.proof.certificate` judges the answer.
"""

import numpy as np

from availability.model import IntArray
from router.optimize.batch.pricing.blocks import NEVER
from router.optimize.batch.pricing.pricing import SCALE, Patterns
from router.optimize.batch.problem import BatchProblem
from router.optimize.batch.proof.bounds import patience_of


class RunningBound:
    """Each order's least cost so far, in 1 / `SCALE`, whatever the prices.

    An order ships once at least, and from wherever it has frozen pieces; `alone`
    says more. ``waiting`` is the weight that may be incomplete.
    """

    def __init__(self, problem: BatchProblem, waiting: int) -> None:
        self._problem = problem
        self.waiting = waiting
        locations = problem.stock.shape[1]
        order = problem.order_of[problem.frozen.line]
        visit = np.unique(order * locations + problem.frozen.location) // locations
        visits = np.bincount(visit, minlength=problem.orders)
        self._least = np.maximum(1, visits) * problem.shipment_weight * SCALE
        # What an order ships though it waits.
        self._anyway = visits * problem.shipment_weight * SCALE

    def least(self) -> int:
        """Return the bound of what is known without looking at any order alone."""
        return self._bound(self._least, 0)

    def static(self, found: Patterns) -> int:
        """Learn each order's least cost without prices; return the static bound.

        An order that cannot ship whole waits, whether that was known or not.
        """
        never = found.value >= NEVER
        waits, can = found.order[never], found.order[~never]
        self._least[waits] = self._anyway[waits]
        self._least[can] = np.maximum(self._least[can], found.value[~never])
        return self._bound(self._least, 0)

    def lagrangian(self, found: Patterns, paid: int) -> int:
        """Return the bound of least costs at prices of which ``paid`` is the worth.

        Orders not among them cost at least what they do without prices.
        """
        least = self._least.copy()
        value = np.minimum(found.value, NEVER)
        least[found.order] = np.maximum(least[found.order], value)
        return self._bound(least, paid)

    def _bound(self, least: IntArray, paid: int) -> int:
        if self.waiting:
            weights = self._problem.weights
            patience = patience_of(least, weights, self.waiting)
            least = np.minimum(least, self._anyway + patience * weights)
            paid += patience * self.waiting
        return max(0, -((paid - int(least.sum())) // SCALE))
