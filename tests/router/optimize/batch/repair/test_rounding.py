"""The plan to begin with: the greedy's, or what rounding made, whichever is better."""

import numpy as np
import pytest

from benchmarks.batch.walks import reranked
from router.optimize.batch.plans.incumbent import Incumbent
from router.optimize.batch.problem import check, score
from router.optimize.batch.repair.rounding import by_coverage, or_else
from tests.router.optimize.batch.joint import rows, small


@pytest.mark.parametrize("seed", range(6))
def test_what_covers_most_is_the_greedy_that_asks_again(seed: int) -> None:
    problem = small(seed, orders=80, tight=2.0)
    incumbent = Incumbent(problem)
    given = by_coverage(incumbent, list(range(problem.orders)))
    assert incumbent.plan == {}
    assert incumbent.remaining.stock.tolist() == problem.stock.tolist()
    assert all(pieces in incumbent.known[order] for order, pieces in given.items())
    pieces = sorted(piece for each in given.values() for piece in each)
    assert pieces == rows(reranked(problem).sorted())


@pytest.mark.parametrize("seed", range(6))
def test_the_better_plan_is_kept(seed: int) -> None:
    problem = small(seed, orders=80, tight=2.0)
    every = list(range(problem.orders))
    greedy = by_coverage(Incumbent(problem), every)
    rng = np.random.default_rng(seed)
    incumbent = Incumbent(problem)
    for order in every[:-5]:
        # Any other plan, and not of all.
        assert incumbent.place(order, rng.integers(0, 2**20, problem.stock.shape))
    other = dict(incumbent.plan)
    or_else(incumbent, every, greedy)
    assert incumbent.plan == greedy
    assert check(problem, incumbent.as_plan()) == []
    assert score(problem, incumbent.as_plan()).incomplete_orders == 0
    or_else(incumbent, every, other)
    assert incumbent.plan == greedy
    taken = problem.stock - incumbent.remaining.stock
    for line, location, units in rows(incumbent.as_plan()):
        taken[problem.sku[line], location] -= units
    assert not taken.any()
