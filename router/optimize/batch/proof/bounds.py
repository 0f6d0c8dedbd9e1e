"""What prices prove: how good a plan can be at most, level by level.

With prices ``pi`` >= 0 of a unit of stock, and of a unit and a shipment of each
location's capacity, no plan that completes every order has fewer shipments than
``sum_o cheapest(o) - sum pi stock - sum mu capacity``: weak Lagrangian duality.
Where orders wait, each may also cost ``patience`` times its weight, less ``patience``
times the weight that waits in all. The cheapest of each order is found again from
the data; all prices are integers and no solver takes part. An order in the plan in
force costs ``move_weight`` more, or what its pieces there cost if that is less.

With as many shipments at most as the plan has, times a rate, the same costs bound
the moves.

Frozen pieces and the cap on moves only take plans away, so the bound holds with
them too; it is then the bound of re-routing without them.
"""

from typing import NamedTuple

import numpy as np

from availability.model import IntArray
from router.optimize.batch.engines.engine import LOCAL, OrderPricer
from router.optimize.batch.plans.moves import InForce
from router.optimize.batch.pricing.blocks import NEVER
from router.optimize.batch.pricing.pricing import SCALE, large_of
from router.optimize.batch.problem import BatchProblem
from router.optimize.batch.proof.claim import Certificate, CertificateError
from router.optimize.batch.scarcity.peel import fixed_of
from router.optimize.batch.scarcity.prices import worth_of
from router.optimize.batch.scarcity.shortage import hopeless, supply_of

MOVE_RATES, MOST_RATE = 16, 1024
"""``move_rate`` is a number of 16ths; more than the most would not fit."""

MOST_PRICE = SCALE * 2**16
"""Of a unit: 65 shipments where each counts 1,000, for the sake of least gains."""


def incomplete_bound(problem: BatchProblem, certificate: Certificate) -> int:
    """Return the least weight that waits.

    Completing an order costs its units and a shipment; see `Supply`. Those that are
    `hopeless` wait.
    """
    price = _vector(certificate.sku_prices, len(problem.stock))
    unit, shipment = certificate.total_prices
    if not (0 <= unit <= NEVER and 0 <= shipment <= NEVER):
        raise CertificateError("a price is negative or absurd")
    each = np.full(problem.orders, shipment)
    np.add.at(each, problem.order_of, problem.demand * (price[problem.sku] + unit))
    each[hopeless(problem)] = NEVER
    least = int(np.minimum(each, problem.weights * SCALE).sum())
    supply = supply_of(problem)
    paid: int = sum((price * supply.skus).tolist())
    paid += unit * supply.units + shipment * supply.shipments
    return max(0, -((paid - least) // SCALE))


class Costs(NamedTuple):
    """What orders cost at a certificate's prices, in 1 / `SCALE`.

    ``cheapest`` ``(O,)`` with any pieces, ``stay`` those that the plan in force
    ships whole with these; ``paid`` is what all stock and capacity would cost.
    """

    cheapest: IntArray
    in_force: InForce
    stay: IntArray
    paid: int

    def least(self, problem: BatchProblem) -> IntArray:
        """Return ``(O,)`` the least cost with moves counted."""
        every = np.arange(problem.orders)
        move = problem.move_weight * SCALE
        return self.in_force.least(every, self.cheapest, self.stay, move)


def costs(
    problem: BatchProblem,
    certificate: Certificate,
    pricer: OrderPricer | None = None,
    again: OrderPricer | None = None,
) -> Costs:
    """Return what orders cost.

    ``pricer`` prices them all, ``again`` those of `large_of` without any prices, which
    make nothing cheaper, but bounds looser; None: one made here.
    """
    price, fixed, paid = priced(problem, certificate)
    pricer = pricer or LOCAL.pricer(problem, np.arange(problem.orders))
    found = pricer.price(problem.stock, price, fixed, certificate.nodes)
    cheapest = np.zeros(problem.orders, dtype=np.int64)
    cheapest[found.order] = np.minimum(found.value, NEVER)
    if price.any():
        again = again or LOCAL.pricer(problem, large_of(problem))
        free, ships = np.zeros_like(price), fixed_of(problem)
        found = again.price(problem.stock, free, ships, certificate.nodes)
        least = np.minimum(found.value, NEVER)
        cheapest[found.order] = np.maximum(cheapest[found.order], least)
    in_force = InForce(problem)
    return Costs(cheapest, in_force, in_force.cost(price, fixed), paid)


def shipments_bound(
    problem: BatchProblem, certificate: Certificate, found: Costs, waiting: int
) -> int:
    """Return the least shipments when at most ``waiting`` weight is incomplete."""
    least, paid = found.least(problem), found.paid
    if waiting:
        least = np.minimum(least, _patience(certificate) * problem.weights)
        paid += certificate.patience * waiting
    least = np.minimum(least, NEVER)
    return max(0, -((paid - int(least.sum())) // SCALE))


def moves_bound(
    problem: BatchProblem,
    certificate: Certificate,
    found: Costs,
    waiting: int,
    shipments: int,
) -> int:
    """Return the fewest moves with no more than ``shipments`` and ``waiting``.

    A shipment's cost is worth ``move_rate / MOVE_RATES`` moves here.
    """
    rate = certificate.move_rate
    if not 0 <= rate <= MOST_RATE:
        raise CertificateError("the rate of moves is negative or absurd")
    every = np.arange(problem.orders)
    move = (MOVE_RATES + rate * problem.move_weight) * SCALE
    least = found.in_force.least(every, rate * found.cheapest, rate * found.stay, move)
    paid = rate * (found.paid + SCALE * shipments)
    if waiting:
        patience = rate * _patience(certificate)
        least = np.minimum(least, patience * problem.weights)
        paid += patience * waiting
    total: int = sum(least.tolist())
    return max(0, -((paid - total) // (SCALE * MOVE_RATES)))


def _patience(certificate: Certificate) -> int:
    if not 0 <= certificate.patience <= NEVER:
        raise CertificateError("patience is negative or absurd")
    return certificate.patience


def priced(
    problem: BatchProblem, certificate: Certificate
) -> tuple[IntArray, IntArray, int]:
    """Return (K, N) prices of units, (N,) costs of a shipment, and all it pays."""
    skus, locations = problem.stock.shape
    price = np.zeros((skus, locations), dtype=np.int64)
    rows = np.array(certificate.prices, dtype=np.int64).reshape(-1, 3)
    if len(rows) and (rows.min() < 0 or rows[:, 2].max() > MOST_PRICE):
        raise CertificateError("a price is negative or absurd")
    price[rows[:, 0], rows[:, 1]] = rows[:, 2]
    paid = worth_of(price, problem.stock)
    units = _vector(certificate.unit_prices, locations)
    orders = _vector(certificate.order_prices, locations)
    for each, capacity in (
        (units, problem.capacity_units),
        (orders, problem.capacity_orders),
    ):
        if capacity is None:
            if each.any():
                raise CertificateError("a capacity that has no limit has a price")
        else:
            paid += worth_of(each, capacity)
    return price + units[None, :], fixed_of(problem) + orders, paid


def _vector(rows: tuple[tuple[int, int], ...], length: int) -> IntArray:
    vector = np.zeros(length, dtype=np.int64)
    pairs = np.array(rows, dtype=np.int64).reshape(-1, 2)
    if len(pairs) and (pairs.min() < 0 or pairs[:, 1].max() > SCALE * 2**20):
        raise CertificateError("a price is negative or absurd")
    vector[pairs[:, 0]] = pairs[:, 1]
    return vector


def patience_of(least: IntArray, weights: IntArray, waiting: int) -> int:
    """Return the multiplier of the waiting weight that gives the best bound.

    The bound is concave in it, with a kink where an order rather waits: the
    dearest per weight are let go until ``waiting`` is spent.
    """
    each = np.minimum(least, NEVER) // weights
    turn = np.argsort(-each, kind="stable")
    spent = weights[turn].cumsum()
    at = int(np.searchsorted(spent, waiting, side="left"))
    return int(each[turn[min(at, len(turn) - 1)]])
