"""The best plan so far, and the patterns known of each order."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np

from availability.model import IntArray
from router.optimize.batch.limits import never
from router.optimize.batch.plans.greedy import Remaining
from router.optimize.batch.plans.moves import InForce, Pieces
from router.optimize.batch.problem import BatchPlan, BatchProblem, score

MOVES = 2**20
"""More than orders can move in a neighbourhood: shipments come first."""
_PUT_BACK = 10
"""Passes over all moved orders to see which can stay."""


class Incumbent:
    """The best plan so far, and the patterns known of each order.

    ``hurry`` returns whether time is short, so that any place is good enough.
    """

    def __init__(
        self, problem: BatchProblem, hurry: Callable[[], bool] = never
    ) -> None:
        self.hurry = hurry
        self.problem = problem
        self.remaining = Remaining(problem)
        self.in_force = InForce(problem)
        self.plan: dict[int, Pieces] = {}
        self.known: dict[int, dict[Pieces, int]] = defaultdict(dict)
        self._fixed: list[BatchPlan] = []
        self._fixed_worth = 0
        self.is_fixed = np.zeros(problem.orders, dtype=bool)

    def moves(self, order: int, pieces: Pieces) -> bool:
        """Return whether an order would get others than the plan in force has."""
        return self.in_force.pieces.get(order, pieces) != pieces

    def cost(self, order: int, pieces: Pieces) -> int:
        """Return an order's worth at the level ``shipments``."""
        visits = len({location for _, location, _ in pieces})
        split = len(pieces) - len({line for line, _, _ in pieces})
        worth = self.problem.shipment_weight * visits
        if split and self.problem.split_line_weight:
            lines = [line for line, _, _ in pieces]
            several = sum(lines.count(line) > 1 for line in set(lines))
            worth += self.problem.split_line_weight * several
        if self.problem.move_weight and self.moves(order, pieces):
            worth += self.problem.move_weight
        return worth

    def worth(self, order: int, pieces: Pieces) -> int:
        """Return an order's worth at the levels ``shipments`` and then ``moves``."""
        return self.cost(order, pieces) * MOVES + self.moves(order, pieces)

    def fix(self, plan: BatchPlan) -> None:
        """Give many orders without a plan theirs, unchecked and until `release`."""
        orders = np.unique(self.problem.order_of[plan.line])
        self.remaining.take_all(plan)
        self._fixed.append(plan)
        # Only these count: an order without a plan has not moved.
        mine = replace(self.problem, incumbent=self.in_force.of(orders))
        self._fixed_worth += score(mine, plan).shipments
        self.is_fixed[orders] = True

    def release(self) -> None:
        """Let orders fixed by `fix` change their plans again."""
        rows: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
        order_of = self.problem.order_of
        for plan in self._fixed:
            columns = zip(*(each.tolist() for each in plan.sorted()), strict=True)
            orders = order_of[plan.sorted().line].tolist()
            for order, piece in zip(orders, columns, strict=True):
                rows[order].append(piece)
        self.plan.update((order, tuple(each)) for order, each in rows.items())
        self._fixed, self._fixed_worth = [], 0
        self.is_fixed[:] = False

    def placed(self, order: int) -> bool:
        """Return whether an order has a plan."""
        return order in self.plan or bool(self.is_fixed[order])

    def learn(self, order: int, pieces: Pieces) -> None:
        """Keep a pattern of an order."""
        if pieces not in self.known[order]:
            self.known[order][pieces] = self.worth(order, pieces)

    def put(self, order: int, pieces: Pieces) -> None:
        """Give an order these pieces instead of those it has, unchecked."""
        frozen = self.remaining.frozen.get(order, ())
        self.remaining.take(self.plan.pop(order, frozen), -1)
        self.remaining.take(pieces or frozen)
        if pieces:
            self.plan[order] = pieces

    def plans_of(self, orders: Iterable[int]) -> dict[int, Pieces]:
        """Return what those of the orders have that have a plan."""
        return {order: self.plan[order] for order in orders if order in self.plan}

    def take_away(self, orders: Iterable[int]) -> dict[int, Pieces]:
        """Return what those of the orders had that had a plan; now none has."""
        before = self.plans_of(orders)
        for order in before:
            self.put(order, ())
        return before

    def put_all(self, plan: Mapping[int, Pieces]) -> None:
        """Give many orders these pieces instead of those they have, unchecked."""
        # All give back before any takes: what one has may be another's next.
        self.take_away(plan)
        for order, pieces in plan.items():
            self.put(order, pieces)

    def put_if_fits(self, order: int, pieces: Pieces) -> bool:
        """Give an order without a plan these pieces if they are there."""
        if self.placed(order) or not self.remaining.fits(pieces):
            return False
        self.put(order, pieces)
        return True

    def place(self, order: int, price: IntArray | None) -> bool:
        """Give an order the best that is left; return whether there was any."""
        if self.hurry():
            known = sorted(self.known[order], key=self.known[order].__getitem__)
            if order not in self.remaining.frozen and any(
                self.put_if_fits(order, pieces) for pieces in known
            ):
                return True
            found = tuple(sorted(self.remaining.best(order, None, 1)))
        else:
            found = tuple(sorted(self.remaining.best(order, price)))
        found = self.or_stay(order, found)
        if not found:
            return False
        self.put(order, found)
        self.learn(order, found)
        return True

    def or_stay(self, order: int, pieces: Pieces) -> Pieces:
        """Return an order's pieces, or those in force if they fit and are better.

        The order has no plan yet.
        """
        stay = self.in_force.pieces.get(order)
        if stay is None or not self._may_stay(order, stay):
            return pieces
        return min(pieces or stay, stay, key=lambda each: self.worth(order, each))

    def _may_stay(self, order: int, pieces: Pieces) -> bool:
        """Return whether pieces in force ship an order whole and are still there."""
        if not self.in_force.can_stay(order):
            return False
        have = {(line, n): units for line, n, units in pieces}
        frozen = self.remaining.frozen.get(order, ())
        if any(have.get((line, n), 0) < units for line, n, units in frozen):
            return False
        self.remaining.take(frozen, -1)
        fits = self.remaining.fits(pieces)
        self.remaining.take(frozen)
        return fits

    def put_back(self) -> int:
        """Let moved orders stay where that fits and costs no more; return how many.

        What one gives back may fit another, so passes repeat until none changes.
        """
        count = 0
        for _ in range(_PUT_BACK):
            before = count
            for order, pieces in self.in_force.pieces.items():
                now = self.plan.get(order, pieces)
                if now == pieces or self.cost(order, pieces) > self.cost(order, now):
                    continue
                self.put(order, ())
                stays = self._may_stay(order, pieces)
                self.put(order, pieces if stays else now)
                count += stays
            if count == before:
                break
        return count

    def total(self) -> int:
        """Return the level ``shipments`` of the whole plan."""
        return self._fixed_worth + sum(self.cost(*each) for each in self.plan.items())

    def as_plan(self) -> BatchPlan:
        """Return all pieces, frozen ones of waiting orders too."""
        all_of = {**self.remaining.frozen, **self.plan}
        rest = BatchPlan.of([p for pieces in all_of.values() for p in pieces])
        parts = zip(*self._fixed, rest, strict=True)
        return BatchPlan(*(np.concatenate(each) for each in parts)).sorted()
