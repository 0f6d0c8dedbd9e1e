"""The last step of a run: the plan is checked, and the certificate claims its worth."""

from dataclasses import replace
from typing import NamedTuple

from availability.model import IntArray
from router.optimize.batch.engines.engine import Engine
from router.optimize.batch.problem import (
    LEVELS,
    BatchPlan,
    BatchProblem,
    BatchScore,
    check,
    score,
)
from router.optimize.batch.proof.bounds import MOST_RATE, Costs, moves_bound
from router.optimize.batch.proof.certificate import bounds_of
from router.optimize.batch.proof.claim import Certificate, LevelValue, levels_of
from router.optimize.batch.proof.place_bound import with_places
from router.optimize.batch.proof.proof import Proof


class BatchSolution(NamedTuple):
    """The plan, a (value, bound) for each level, and what proves them."""

    plan: BatchPlan
    levels: tuple[LevelValue, ...]
    certificate: Certificate


def certified(
    problem: BatchProblem,
    engine: Engine,
    plan: BatchPlan,
    proof: Proof,
    nearest: IntArray | None = None,
) -> BatchSolution:
    """Return a plan with its certificate.

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
    pieces = tuple(zip(*(each.tolist() for each in plan), strict=True))
    certificate = proof.patient(problem, values.incomplete_orders)
    certificate = replace(certificate, plan=pieces)
    certificate = _with_rate(problem, certificate, proof.costs, values)
    if nearest is not None:
        certificate = with_places(problem, certificate, values, nearest, engine)
    bounds = bounds_of(problem, certificate, values, proof.costs, engine)
    claims = tuple(zip(LEVELS, values, bounds, strict=True))
    certificate = replace(certificate, claims=claims)
    return BatchSolution(plan, levels_of(certificate), certificate)


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
