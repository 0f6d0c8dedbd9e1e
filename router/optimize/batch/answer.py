"""The last step of a run: the plan is checked, and a certificate made of the prices."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from availability.model import IntArray
from router.optimize.batch.bounds import (
    MOST_RATE,
    Costs,
    costs,
    moves_bound,
    patience_of,
)
from router.optimize.batch.certificate import bounds_of
from router.optimize.batch.claim import Certificate, LevelValue, levels_of
from router.optimize.batch.engine import Engine
from router.optimize.batch.place_bound import with_places
from router.optimize.batch.prices import Prices
from router.optimize.batch.pricing import EXACT_NODES
from router.optimize.batch.problem import (
    LEVELS,
    BatchPlan,
    BatchProblem,
    BatchScore,
    check,
    score,
)
from router.optimize.batch.shortage import Shortage


class BatchSolution(NamedTuple):
    """The plan, a (value, bound) for each level, and what proves them."""

    plan: BatchPlan
    levels: tuple[LevelValue, ...]
    certificate: Certificate


def certified(
    problem: BatchProblem,
    engine: Engine,
    plan: BatchPlan,
    prices: Prices,
    short: Shortage,
    nearest: IntArray | None = None,
    nodes: int = EXACT_NODES,
) -> BatchSolution:
    """Return a plan with what prices prove of it; ``nodes``: how hard they try.

    ``nearest`` ``(K, N)`` is what a unit is worth in ranks; None: not even tried.

    Raises
    ------
    ValueError
        The plan is not allowed.
    """
    breaches = check(problem, plan)
    if breaches:
        raise ValueError("; ".join(breaches[:5]))
    values = score(problem, plan)
    pairs = np.argwhere(prices.stock > 0)
    certificate = Certificate(
        plan=tuple(zip(*(each.tolist() for each in plan), strict=True)),
        prices=tuple((k, n, int(prices.stock[k, n])) for k, n in pairs.tolist()),
        sku_prices=short.prices,
        total_prices=(short.unit_price, short.shipment_price),
        unit_prices=_rows(prices.units),
        order_prices=_rows(prices.orders),
        nodes=nodes,
    )
    waiting = values.incomplete_orders
    pricer = engine.pricer(problem, np.arange(problem.orders))
    found = costs(problem, certificate, pricer)
    if waiting:
        least = found.least(problem)
        patience = patience_of(least, problem.weights, waiting)
        certificate = replace(certificate, patience=patience)
    certificate = _with_rate(problem, certificate, found, values)
    if nearest is not None:
        certificate = with_places(problem, certificate, values, nearest, engine)
    bounds = bounds_of(problem, certificate, values, found, engine)
    claims = tuple(zip(LEVELS, values, bounds, strict=True))
    certificate = replace(certificate, claims=claims)
    return BatchSolution(plan, levels_of(certificate), certificate)


def _rows(prices: IntArray) -> tuple[tuple[int, int], ...]:
    """Return the (location, price) of all prices that are not 0."""
    return tuple((n, int(prices[n])) for n in np.flatnonzero(prices).tolist())


def _with_rate(
    problem: BatchProblem, certificate: Certificate, found: Costs, values: BatchScore
) -> Certificate:
    """Return the certificate with the rate that proves most moves."""
    if not values.moves:
        return certificate
    rates = [0] + [1 << at for at in range(MOST_RATE.bit_length())]
    tries = [replace(certificate, move_rate=rate) for rate in rates]
    levels = (values.incomplete_orders, values.shipments)
    return max(tries, key=lambda each: moves_bound(problem, each, found, *levels))
