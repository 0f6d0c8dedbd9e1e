"""What is given for good counts like what may change, and can be let go."""

from dataclasses import replace

import numpy as np
import pytest

from router.optimize.batch.plans.incumbent import Incumbent
from router.optimize.batch.problem import BatchPlan, complete, score
from tests.router.optimize.batch.joint import in_force, rows, small


@pytest.mark.parametrize("seed", range(4))
def test_many_orders_given_theirs_at_once(seed: int) -> None:
    problem = small(seed, tight=2.0)
    plan = in_force(problem, seed)
    problem = replace(
        problem,
        incumbent=in_force(problem, seed, 0.3),
        move_weight=2,
        capacity_units=np.full(5, 40),
        capacity_orders=np.full(5, 30),
    )
    assert complete(problem, plan).all()
    at_once, one_by_one = Incumbent(problem), Incumbent(problem)
    order_of = problem.order_of[plan.line]
    first = order_of < problem.orders // 2
    for half in (first, ~first):
        at_once.fix(BatchPlan(*(column[half] for column in plan)))
    for order in range(problem.orders):
        pieces = [row for row in rows(plan) if problem.order_of[row[0]] == order]
        one_by_one.put(order, tuple(sorted(pieces)))
    for given in (False, True):
        if given:
            at_once.release()
            assert at_once.plan == one_by_one.plan
        assert all(map(at_once.placed, range(problem.orders)))
        assert at_once.total() == one_by_one.total() == score(problem, plan).shipments
        assert rows(at_once.as_plan()) == rows(one_by_one.as_plan())
        for mine, other in (
            (at_once.remaining.stock, one_by_one.remaining.stock),
            (at_once.remaining.left_units, one_by_one.remaining.left_units),
            (at_once.remaining.left_orders, one_by_one.remaining.left_orders),
        ):
            assert mine is not None
            assert other is not None
            assert mine.tolist() == other.tolist()
