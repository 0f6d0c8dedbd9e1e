"""The level ``places``: nearer locations at no more shipments and moves.

Orders of one unit go where a transport problem puts them, on what the others leave.
Other orders change to locations that are nearer by more than the units there are
worth to the orders of one unit, if that takes no more shipments; that step is only a
trial, kept if the plan is better for it.
"""

from collections.abc import Callable

import numpy as np

from availability.model import BoolArray, IntArray
from router.optimize.batch.plans.flow import NoRoomError, ranks, transport
from router.optimize.batch.plans.incumbent import Incumbent
from router.optimize.batch.plans.moves import Pieces
from router.optimize.batch.pricing.nodes import NEARER_NODES
from router.optimize.batch.problem import BatchProblem
from router.optimize.batch.scarcity.peel import capped

_ROUNDS = 3
"""Times that the others change and the orders of one unit follow."""


def settle(
    problem: BatchProblem, incumbent: Incumbent, stop: Callable[[], bool]
) -> IntArray:
    """Improve the places of a plan; return ``(K, N)`` a unit's price in ranks.

    Only orders that no level before places forbids: none that stays where the plan
    in force has it, none with frozen pieces, none at a location with a capacity.
    """
    roomy = ~capped(problem)
    ones, others = _movable(problem, incumbent, roomy)
    price = _reassign(problem, incumbent, ones, roomy)
    for _ in range(_ROUNDS):
        if stop() or not others:
            break
        every = [*ones.tolist(), *others]
        before = incumbent.plans_of(every)
        total = _total(problem, incumbent, before)
        incumbent.take_away(ones.tolist())
        changed = [
            order
            for order in others
            if not stop() and _nearer(problem, incumbent, order, price, roomy)
        ]
        try:
            found = _reassign(problem, incumbent, ones, roomy)
            better = _total(problem, incumbent, incumbent.plans_of(every)) < total
        except NoRoomError:
            # The others took the only units that some order of one unit may have.
            better = False
        if not better:
            incumbent.put_all(before)
            break
        price = found
        if not changed:
            break
    return price


def _movable(
    problem: BatchProblem, incumbent: Incumbent, roomy: BoolArray
) -> tuple[IntArray, list[int]]:
    """Return the orders of one unit, and the others, that may change location."""
    ones, others = [], []
    demand, start = problem.demand, problem.start
    for order, pieces in sorted(incumbent.plan.items()):
        there = [each for _, each, _ in pieces]
        if order in incumbent.remaining.frozen or not roomy[there].all():
            continue
        if order in incumbent.in_force.pieces and not incumbent.moves(order, pieces):
            continue
        first = start[order]
        if start[order + 1] == first + 1 and demand[first] == 1:
            ones.append(order)
        else:
            others.append(order)
    return np.array(ones, dtype=np.int64), others


def _reassign(
    problem: BatchProblem, incumbent: Incumbent, ones: IntArray, roomy: BoolArray
) -> IntArray:
    """Give each order of one unit its place in the transport; return the prices."""
    incumbent.take_away(ones.tolist())
    stock = np.where(roomy, incumbent.remaining.stock, 0)
    found = transport(problem, ones, stock)
    lines = problem.start[ones].tolist()
    where = zip(ones.tolist(), lines, found.location.tolist(), strict=True)
    for order, line, location in where:
        incumbent.put(order, ((line, location, 1),))
    return found.price


def _nearer(
    problem: BatchProblem,
    incumbent: Incumbent,
    order: int,
    price: IntArray,
    roomy: BoolArray,
) -> bool:
    """Let an order ship from where ranks and units are cheapest; say if it does."""
    pieces = incumbent.plan[order]
    now = pieces[0][1]
    if any(each != now for _, each, _ in pieces):
        return _nearer_parts(problem, incumbent, order, price, roomy)
    lines = np.array([line for line, _, _ in pieces])
    skus, demand = problem.sku[lines], problem.demand[lines]
    cost = problem.rank_of(order) + demand @ price[skus]
    stock = incumbent.remaining.allowed(order, incumbent.remaining.stock[skus])
    can = (stock >= demand[:, None]).all(axis=0) & roomy
    can[now] = True
    best = int(np.where(can, cost, np.iinfo(np.int64).max).argmin())
    if cost[best] >= cost[now]:
        return False
    moved: Pieces = tuple((line, best, units) for line, _, units in pieces)
    if incumbent.in_force.pieces.get(order) == moved:
        # Coming home is no move, and that is another level's gain: not in a trial.
        return False
    incumbent.put(order, moved)
    return True


def _nearer_parts(
    problem: BatchProblem,
    incumbent: Incumbent,
    order: int,
    price: IntArray,
    roomy: BoolArray,
) -> bool:
    """Let an order that ships in parts do so from nearer locations."""
    pieces = incumbent.plan[order]
    rank = problem.rank_of(order)

    def cost(parts: Pieces) -> int:
        units = sum(u * int(price[problem.sku[line], n]) for line, n, u in parts)
        return units + int(rank[list({n for _, n, _ in parts})].sum())

    incumbent.put(order, ())
    # Beside a shipment's 2^20 ranks are only what decides between equals.
    found: Pieces = tuple(sorted(incumbent.remaining.best(order, price, NEARER_NODES)))
    better = (
        bool(found)
        and bool(roomy[[n for _, n, _ in found]].all())
        and incumbent.in_force.pieces.get(order) != found
        and (incumbent.worth(order, found), cost(found))
        < (incumbent.worth(order, pieces), cost(pieces))
    )
    incumbent.put(order, found if better else pieces)
    return better


def _total(
    problem: BatchProblem, incumbent: Incumbent, plan: dict[int, Pieces]
) -> tuple[int, int]:
    """Return the worth of some orders at the levels before, and their places."""
    rank, region = ranks(problem)
    visits = [(order, n) for order in plan for n in {n for _, n, _ in plan[order]}]
    rows = np.array(visits, dtype=np.int64).reshape(-1, 2)
    worth = sum(incumbent.worth(*each) for each in plan.items())
    return worth, int(rank[region[rows[:, 0]], rows[:, 1]].sum())
