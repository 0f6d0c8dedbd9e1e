"""The last step of a run: the plan is checked, and a certificate made of the prices."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from availability.model import IntArray
from router.optimize.batch.certificate import (
    Certificate,
    LevelValue,
    incomplete_bound,
    levels_of,
    patience_of,
    priced,
    shipments_bound,
)
from router.optimize.batch.engine import Engine
from router.optimize.batch.problem import (
    LEVELS,
    BatchPlan,
    BatchProblem,
    check,
    score,
)

_PATIENCE_NODES = 3
"""Nodes of large orders where only the multiplier of waiting depends on them."""


class BatchSolution(NamedTuple):
    """The plan, a (value, bound) for each level, and what proves them."""

    plan: BatchPlan
    levels: tuple[LevelValue, ...]
    certificate: Certificate


def certified(
    problem: BatchProblem,
    engine: Engine,
    plan: BatchPlan,
    price: IntArray,
    sku_prices: tuple[tuple[int, int], ...],
) -> BatchSolution:
    """Return a plan with what prices ``(K, N)`` prove of it.

    Raises
    ------
    ValueError
        The plan is not allowed.
    """
    breaches = check(problem, plan)
    if breaches:
        raise ValueError("; ".join(breaches[:5]))
    values = score(problem, plan)
    pairs = np.argwhere(price > 0)
    certificate = Certificate(
        plan=tuple(zip(*(each.tolist() for each in plan), strict=True)),
        prices=tuple((k, n, int(price[k, n])) for k, n in pairs.tolist()),
        sku_prices=sku_prices,
    )
    waiting = values.incomplete_orders
    pricer = engine.pricer(problem, np.arange(problem.orders))
    if waiting:
        unit, fixed, _ = priced(problem, certificate)
        found = pricer.price(problem.stock, unit, fixed, _PATIENCE_NODES)
        least = np.zeros(problem.orders, dtype=np.int64)
        least[found.order] = found.value
        patience = patience_of(least, problem.weights, waiting)
        certificate = replace(certificate, patience=patience)
    bounds = (
        incomplete_bound(problem, certificate),
        shipments_bound(problem, certificate, waiting, pricer),
        0,
    )
    claims = tuple(zip(LEVELS, values, bounds, strict=True))
    certificate = replace(certificate, claims=claims)
    return BatchSolution(plan, levels_of(certificate), certificate)
