"""A plan's value and its proven bound: the columns of the tables."""

from typing import NamedTuple

import numpy as np

from benchmarks.batch.answers import Answer
from router.optimize.batch.problem import (
    BatchPlan,
    BatchProblem,
    check,
    complete,
    score,
    visits,
)
from router.optimize.batch.proof.certificate import LevelValue, verify


class Worth(NamedTuple):
    """Counts of a plan; ``split_orders`` ship whole from two or more locations."""

    shipments: int
    split_orders: int
    units: int
    incomplete_orders: int


def worth(problem: BatchProblem, plan: BatchPlan) -> Worth:
    """Return a plan's counts.

    Raises
    ------
    AssertionError
        The plan is not allowed.
    """
    breaches = check(problem, plan)
    assert not breaches, breaches[:5]
    whole = complete(problem, plan) == 1
    order, _ = visits(problem, plan)
    split = (np.bincount(order, minlength=problem.orders) > 1) & whole
    values = score(problem, plan)
    return Worth(
        values.shipments,
        int(np.count_nonzero(split)),
        int(plan.units.sum()),
        int(np.count_nonzero(~whole)),
    )


def proven(problem: BatchProblem, answer: Answer) -> LevelValue:
    """Return the level ``shipments`` of a joint answer, found again from the data.

    Raises
    ------
    CertificateError
        The certificate says what is not so.
    """
    assert answer.certificate is not None
    return verify(problem, answer.certificate)[1]


def gap_percent(value: int, bound: int) -> float:
    """Return how far a value may be above the least there is, in percent of a bound."""
    return 100 * (value - bound) / bound


def removed_percent(orders: int, before: int, after: int) -> float:
    """Return the share of the shipments beyond one an order that are saved."""
    return 100 * (before - after) / max(1, before - orders)
