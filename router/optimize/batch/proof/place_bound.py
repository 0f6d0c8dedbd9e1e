"""How small the sum of ranks can be with the levels before as good as they are.

The same duality as for shipments, with one multiplier for each level before: a plan
within the budgets pays ``rate`` for each shipment and ``move`` for each move that it
has, and is given that for as many as the plan at hand has. So what each order costs
at least, less what all is worth, is a bound; again in integers, from the data.
"""

from dataclasses import replace

import numpy as np

from availability.model import IntArray
from router.optimize.batch.engines.engine import LOCAL, Engine
from router.optimize.batch.plans.flow import ranks
from router.optimize.batch.plans.moves import InForce
from router.optimize.batch.pricing.blocks import NEVER
from router.optimize.batch.pricing.nodes import PLACE_PROOF_NODES
from router.optimize.batch.pricing.pricing import SCALE
from router.optimize.batch.problem import BatchProblem, BatchScore
from router.optimize.batch.proof.bounds import patience_of, priced
from router.optimize.batch.proof.claim import Certificate, CertificateError

PLACE_RATES = 1024
"""``place_rate`` is a number of 1024ths of a rank."""

_MOST = 2**40
"""A multiplier that is larger would not fit an integer."""
_MOST_RATE = 2**20
"""A rate that is larger would not, with prices."""
_SAMPLE = 300
"""Orders that the rate is chosen by."""
_SHIFTS = (0, 2, 3, 4, 5, 7)
"""Rates that are tried: a shipment in halves of halves of the highest rank."""


def places_bound(
    problem: BatchProblem,
    certificate: Certificate,
    values: BatchScore,
    engine: Engine = LOCAL,
) -> int:
    """Return the least places of plans no worse than ``values`` at the levels before.

    Without ``place_nodes`` nothing is claimed: 0.

    Raises
    ------
    CertificateError
        A multiplier is negative or absurd.
    """
    multipliers = (
        certificate.place_rate,
        certificate.place_move,
        certificate.place_patience,
        certificate.place_nodes,
    )
    rate_fits = certificate.place_rate <= _MOST_RATE
    if not rate_fits or not all(0 <= each <= _MOST for each in multipliers):
        raise CertificateError("a multiplier of places is negative or absurd")
    if not certificate.place_nodes:
        return 0
    every = np.arange(problem.orders)
    least, paid = _least(problem, certificate, values, every, engine)
    if values.incomplete_orders:
        waiting = np.minimum(certificate.place_patience, NEVER // problem.weights)
        least = np.minimum(least, waiting * problem.weights)
        paid += certificate.place_patience * values.incomplete_orders
    total: int = sum(least.tolist())
    return max(0, -((paid - total) // SCALE))


def _least(
    problem: BatchProblem,
    certificate: Certificate,
    values: BatchScore,
    orders: IntArray,
    engine: Engine,
) -> tuple[IntArray, int]:
    """Return ``(m,)`` what orders cost at least, and what all is worth."""
    rate = certificate.place_rate
    unit, fixed, paid = priced(problem, certificate)
    # Costs are rounded down and what is paid up: then nothing is claimed too much.
    unit = np.minimum(rate * unit // PLACE_RATES, _MOST)
    paid = -(-rate * paid // PLACE_RATES)
    rows = np.array(certificate.place_prices, dtype=np.int64).reshape(-1, 3)
    if len(rows) and (rows.min() < 0 or rows[:, 2].max() > _MOST):
        raise CertificateError("a price is negative or absurd")
    for sku, location, price in rows.tolist():
        unit[sku, location] += price
        paid += price * int(problem.stock[sku, location])
    paid += -(-rate * values.shipments * SCALE // PLACE_RATES)
    paid += certificate.place_move * values.moves
    rank, region = ranks(problem)
    ships = rank * SCALE + rate * np.minimum(fixed, _MOST) // PLACE_RATES
    split = rate * problem.split_line_weight // PLACE_RATES
    scaled = replace(problem, split_line_weight=split)
    least = np.zeros(problem.orders, dtype=np.int64)
    for at in np.unique(region[orders]).tolist():
        ours = orders[region[orders] == at]
        pricer = engine.pricer(scaled, ours)
        found = pricer.price(problem.stock, unit, ships[at], certificate.place_nodes)
        least[found.order] = np.minimum(found.value, NEVER)
    in_force = InForce(problem)
    stay = in_force.cost(unit, ships, split * SCALE)
    move = certificate.place_move + rate * problem.move_weight * SCALE // PLACE_RATES
    return in_force.least(orders, least[orders], stay, move), paid


def with_places(
    problem: BatchProblem,
    certificate: Certificate,
    values: BatchScore,
    nearest: IntArray,
    engine: Engine = LOCAL,
) -> Certificate:
    """Return the certificate with what proves most of places, as far as is tried.

    ``nearest`` ``(K, N)`` is what a unit is worth in ranks. The multipliers are
    chosen by a sample of the orders.
    """
    pairs = np.argwhere(nearest > 0)
    worth = (nearest[pairs[:, 0], pairs[:, 1]] * SCALE).tolist()
    rows = zip(*pairs.T.tolist(), worth, strict=True) if len(pairs) else ()
    top = int(ranks(problem)[0].max()) + 1
    base = replace(certificate, place_prices=tuple(rows), place_nodes=PLACE_PROOF_NODES)
    rates = {0, *(2 * top * PLACE_RATES >> shift for shift in _SHIFTS)}
    moves = {0, 2 * top * SCALE} if len(problem.incumbent.line) else {0}
    tries = [
        replace(
            base,
            place_rate=min(rate // problem.shipment_weight, _MOST_RATE),
            place_move=move,
        )
        for rate in sorted(rates)
        for move in sorted(moves)
    ]
    sample = np.linspace(0, problem.orders - 1, min(_SAMPLE, problem.orders))
    some = np.unique(sample.astype(np.int64))

    def guess(each: Certificate) -> int:
        least, paid = _least(problem, each, values, some, engine)
        total: int = sum(least.tolist())
        return total * problem.orders // len(some) - paid

    best = max(tries, key=guess)
    if values.incomplete_orders:
        every = np.arange(problem.orders)
        least, _ = _least(problem, best, values, every, engine)
        patience = patience_of(least, problem.weights, values.incomplete_orders)
        best = replace(best, place_patience=min(patience, _MOST))
    return best
