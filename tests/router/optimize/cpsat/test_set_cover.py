"""The wide covers: never better than the truth, never worse than claimed."""

from benchmarks.instances import draw
from router.optimize.cpsat.set_cover import solve_set_cover
from router.optimize.limits import SolveLimits
from router.optimize.problem import check
from router.optimize.proofs.exact import solve_exact
from router.optimize.score import judge
from router.optimize.solve import solve
from tests.router.optimize.small import world
from tests.router.optimize.worlds import medium

ENOUGH = 40


def test_agrees_with_the_proofs() -> None:
    """What it calls proven is the optimum; its bounds are bounds."""
    compared = 0
    for seed in range(3000):
        problem = medium(seed)
        exact = solve_exact(problem)
        if exact is None or len(problem.demand) < 3:
            continue
        cover = solve_set_cover(problem, SolveLimits(wall_seconds=30))
        if cover is None:
            continue
        assert check(problem, cover.pieces) == []
        truth, found = judge(problem, exact), judge(problem, cover)
        for right, ours in zip(truth, found, strict=False):
            if ours.maximize:
                assert ours.value <= right.value <= ours.bound, (seed, ours)
            else:
                assert ours.bound <= right.value <= ours.value, (seed, ours)
            if not ours.proven:
                break
        compared += 1
        if compared == ENOUGH:
            return
    raise AssertionError(f"only {compared} worlds could be compared")


def test_forty_lines_over_two_thousand_locations() -> None:
    """No short search proves this cover; the shipments are proven all the same."""
    problem = draw("sparse", 2000, 40, 1)[0]

    solution = solve(problem, SolveLimits(wall_seconds=20))

    assert solution.engine == "cover"
    assert check(problem, solution.pieces) == []
    proven = {each.name for each in judge(problem, solution) if each.proven}
    assert {"unassigned_units", "split_lines", "shipments"} <= proven


def test_out_of_time_is_an_answer() -> None:
    problem = draw("sparse", 2000, 40, 1)[0]

    solution = solve(problem, SolveLimits(wall_seconds=0.001))

    assert check(problem, solution.pieces) == []
    values = judge(problem, solution)
    assert not all(each.proven for each in values)
    assert values[0].value == 0


def test_leaves_forced_splits_alone() -> None:
    assert solve_set_cover(world([3], [[2, 2]]), SolveLimits()) is None
