"""The solver contract: every answer is the best of all plans, and says so.

Tiny worlds are compared with brute force, which tries every plan; medium ones
with a second engine that shares no code with the first.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from router.model import Objective, Term
from router.optimize.cpsat.set_cover import solve_set_cover
from router.optimize.cpsat.solve import solve_cpsat
from router.optimize.limits import SolveLimits
from router.optimize.problem import Solution, SourcingProblem, check
from router.optimize.proofs.exact import solve_exact
from router.optimize.score import judge
from router.optimize.solve import solve
from tests.router.optimize.brute_force import (
    Best,
    allowed_plans,
    as_plan,
    best_of_all,
    components,
    keeps,
    worth,
)
from tests.router.optimize.worlds import is_plain, medium, preset_of, problems, tiny

TINY = 20_000
TINY_CHUNK = 500
TINY_CPSAT = 2_000
TINY_CPSAT_CHUNK = 200
TINY_COVER = 2_000
TINY_COVER_CHUNK = 1_000
STARVED = 2_000
STARVED_CHUNK = 200
MEDIUM = 500
MEDIUM_CHUNK = 25
REPEATED = 200
EXAMPLES = 200

LEAST_TINY = {
    "single-location-first": 0.95,
    "ranked-prefix": 0.95,
    "fewest-shipments": 0.6,
    "cheapest": 0.01,
}
"""Share of the plain tiny worlds of each preset, in every chunk, that `solve_exact`
must answer: else its proofs might be tested on nothing."""
LEAST_MEDIUM = {"single-location-first": 0.9, "ranked-prefix": 0.9}
"""The same for the medium worlds."""
LEAST_COVERED = 0.1
"""Share of the tiny worlds, in every chunk, that a set cover must answer."""
LEAST_MODELLED = 0.8
"""Share of the medium worlds, in every chunk, that CP-SAT must prove."""

LIMITS = SolveLimits(wall_seconds=60.0, deterministic_time=60.0)
"""So much that the work is done, however busy the machine."""
MEDIUM_LIMITS = SolveLimits(wall_seconds=60.0, deterministic_time=0.5)
"""About a second: the few worlds that would take minutes may stay unproven."""
FEW = SolveLimits(wall_seconds=60.0, deterministic_time=0.000_05, nodes=1)
"""So little that most searches stop half way."""

Engine = Callable[[SourcingProblem, SolveLimits], Solution]


def chunks(count: int, size: int) -> list[range]:
    return [range(start, start + size) for start in range(0, count, size)]


def span(seeds: range) -> str:
    return f"{seeds[0]}-{seeds[-1]}"


@contextmanager
def named(seed: int) -> Iterator[None]:
    """Say which world an assertion failed in."""
    try:
        yield
    except AssertionError as error:
        error.add_note(f"seed {seed}")
        raise


def assert_allowed(problem: SourcingProblem, solution: Solution) -> None:
    """Both readings of the limits must pass the plan."""
    assert check(problem, solution.pieces) == []
    assert list(solution.pieces) == sorted(solution.pieces)
    kept = keeps(problem, as_plan(problem, solution.pieces))
    assert [number for number, holds in kept.items() if not holds[0]] == []


def assert_best(problem: SourcingProblem, solution: Solution, best: Best) -> None:
    """Compare a whole answer with that of brute force: plan, values and proof."""
    assert_allowed(problem, solution)
    assert worth(problem, as_plan(problem, solution.pieces)) == [best.vector]
    values = judge(problem, solution)
    assert {each.name: each.value for each in values} == components(
        problem, best.vector
    )
    assert [each.name for each in values if not each.proven] == []
    assert_bounds(problem, {each.name: each.bound for each in values}, best)


def assert_bounds(problem: SourcingProblem, bounds: dict[str, int], best: Best) -> None:
    """A bound is the level's optimum, or below it where there is a tolerance."""
    levels = components(problem, best.levels)
    tolerant = {each.term.value for each in problem.objectives if each.tolerant}
    for name, level in levels.items():
        if name in tolerant:
            assert bounds[name] <= level, name
        else:
            assert bounds[name] == level, name


def assert_sound(
    problem: SourcingProblem, solution: Solution, levels: dict[str, int]
) -> None:
    """An answer cut short may be worse than the best, but claims nothing false."""
    assert_allowed(problem, solution)
    objectives = {each.term.value: each for each in problem.objectives}
    for each in judge(problem, solution):
        level = levels.get(each.name, 0)
        if each.maximize:
            assert each.bound >= level, each.name
            assert not each.proven or each.value >= level, each.name
        else:
            worst = objectives[each.name].allowance(level)
            assert each.bound <= level, each.name
            assert not each.proven or each.value <= worst, each.name
        if not each.proven:
            return


class Answered:
    """How many worlds of each preset the proofs answered."""

    def __init__(self) -> None:
        self.worlds: Counter[str] = Counter()
        self.proven: Counter[str] = Counter()

    def count(self, seed: int, problem: SourcingProblem, answered: bool) -> None:
        if is_plain(seed):
            self.worlds[preset_of(problem)] += 1
            self.proven[preset_of(problem)] += answered

    def assert_enough(self, least: dict[str, float]) -> None:
        for preset, share in least.items():
            assert self.proven[preset] >= share * self.worlds[preset] > 0, preset


# --- Worked by hand -------------------------------------------------------------


def order(
    *objectives: Objective | Term, stock: list[list[int]], **fields: Any
) -> SourcingProblem:
    """Return an order of one line for each row of ``stock``."""
    return SourcingProblem(
        available=np.array(stock),
        bom=tuple(((sku, 1),) for sku in range(len(stock))),
        objectives=tuple(
            each if isinstance(each, Objective) else Objective(each)
            for each in objectives
        ),
        **fields,
    )


def paid(permille: int = 0, amount: int = 0) -> Objective:
    return Objective(Term.COST_MICROS, permille, amount)


UNASSIGNED = Term.UNASSIGNED_UNITS
LIGHTSPEED = (Term.SPLIT_LINES, Term.SHIPMENTS, Term.PRIMARY, Term.RANK)
TWO_OR_ONE: dict[str, Any] = {
    "stock": [[1, 0, 1], [0, 1, 1]],
    "demand": (1, 1),
    "shipment_cost_micros": np.array([10, 10, 21]),
}
"""Locations 0 and 1 have a line each and cost 20; location 2 has both for 21."""
CHOICE: dict[str, Any] = {
    "stock": [[1, 0, 1, 1], [0, 1, 1, 1]],
    "demand": (1, 1),
    "shipment_cost_micros": np.array([10, 10, 22, 21]),
    "distance_meters": np.array([2, 2, 5, 9]),
}
"""Locations 2 and 3 have both lines: 2 is nearer, 3 is cheaper."""

BY_HAND = [
    pytest.param(
        order(UNASSIGNED, *LIGHTSPEED, stock=[[2, 3], [1, 3]], demand=(2, 2)),
        [0, 0, 1, 2, 4, 2],
        id="one_location_has_everything",
    ),
    pytest.param(
        order(UNASSIGNED, Term.COST_MICROS, stock=[[3, 1]], demand=(5,)),
        [1, 0],
        id="the_last_unit_is_missed_not_invented",
    ),
    pytest.param(
        # Montréal, Sherbrooke, Laval: shirts, hats, shoes.
        order(
            UNASSIGNED,
            *LIGHTSPEED,
            stock=[[10, 0, 15], [3, 10, 10], [5, 10, 10]],
            demand=(1, 12, 2),
        ),
        [0, 1, 2, 2, 13, 0, 2, 4],
        id="ten_hats_from_laval_and_two_from_montreal",
    ),
    pytest.param(
        order(
            UNASSIGNED,
            Term.SPLIT_LINES,
            Term.SHIPMENTS,
            stock=[[2, 0, 0], [1, 1, 2], [0, 2, 0]],
            demand=(2, 2, 2),
        ),
        [0, 0, 3],
        id="lines_first_takes_three_locations",
    ),
    pytest.param(
        order(
            UNASSIGNED,
            Term.SHIPMENTS,
            Term.SPLIT_LINES,
            stock=[[2, 0, 0], [1, 1, 2], [0, 2, 0]],
            demand=(2, 2, 2),
        ),
        [0, 2, 1],
        id="shipments_first_splits_a_line",
    ),
    pytest.param(
        order(UNASSIGNED, paid(50), Term.SHIPMENTS, **TWO_OR_ONE),
        [0, 21, 1],
        id="five_percent_saves_a_shipment",
    ),
    pytest.param(
        order(UNASSIGNED, paid(49), Term.SHIPMENTS, **TWO_OR_ONE),
        [0, 20, 2],
        id="a_tolerance_is_rounded_down",
    ),
    pytest.param(
        order(UNASSIGNED, paid(0, 1), Term.SHIPMENTS, **TWO_OR_ONE),
        [0, 21, 1],
        id="one_micro_saves_a_shipment",
    ),
    pytest.param(
        order(UNASSIGNED, paid(1000), Term.SHIPMENTS, **CHOICE),
        [0, 21, 1],
        id="what_is_not_needed_is_given_back",
    ),
    pytest.param(
        order(
            UNASSIGNED,
            paid(0, 2),
            Objective(Term.DISTANCE_METERS, 0, 5),
            Term.SHIPMENTS,
            **CHOICE,
        ),
        [0, 21, 9, 1],
        id="the_more_important_is_given_back_first",
    ),
    pytest.param(
        order(UNASSIGNED, paid(50), Objective(Term.SHIPMENTS, 0, 1), **TWO_OR_ONE),
        [0, 20, 2],
        id="the_last_tolerance_serves_the_giving_back",
    ),
    pytest.param(
        order(paid(), UNASSIGNED, **TWO_OR_ONE), [0, 2], id="cheaper_to_ship_nothing"
    ),
]


@pytest.mark.parametrize(("problem", "values"), BY_HAND)
def test_answers_worked_by_hand(problem: SourcingProblem, values: list[int]) -> None:
    """Each was worked out on paper: brute force and the engines must say the same."""
    best = best_of_all(problem)

    assert list(components(problem, best.vector).values()) == values
    assert_best(problem, solve(problem, LIMITS), best)
    assert_best(problem, solve_cpsat(problem, LIMITS), best)


@pytest.mark.parametrize("seeds", chunks(200, 100), ids=span)
def test_brute_force_leaves_out_only_what_is_not_allowed(seeds: range) -> None:
    for seed in seeds:
        with named(seed):
            quick, slow = (allowed_plans(tiny(seed), each) for each in (True, False))
            assert np.array_equal(quick, slow)


# --- Against brute force --------------------------------------------------------


@pytest.mark.parametrize("seeds", chunks(TINY, TINY_CHUNK), ids=span)
def test_no_plan_of_a_tiny_world_is_better(seeds: range) -> None:
    answered = Answered()
    for seed in seeds:
        problem = tiny(seed)
        best = best_of_all(problem)
        exact = solve_exact(problem, LIMITS)
        answered.count(seed, problem, exact is not None)
        with named(seed):
            solution = solve(problem, LIMITS)
            assert_best(problem, solution, best)
            if exact is not None:
                assert solution == exact
    answered.assert_enough(LEAST_TINY)


@pytest.mark.parametrize("seeds", chunks(TINY_CPSAT, TINY_CPSAT_CHUNK), ids=span)
def test_the_model_of_record_finds_the_best_of_tiny_worlds(seeds: range) -> None:
    for seed in seeds:
        problem = tiny(seed)
        with named(seed):
            assert_best(problem, solve_cpsat(problem, LIMITS), best_of_all(problem))


@pytest.mark.parametrize("seeds", chunks(STARVED, STARVED_CHUNK), ids=span)
@pytest.mark.parametrize("engine", [solve, solve_cpsat])
def test_an_engine_cut_short_claims_nothing_false(engine: Engine, seeds: range) -> None:
    cut_short = 0
    for seed in seeds:
        problem = tiny(seed)
        solution = engine(problem, FEW)
        cut_short += not is_proven(problem, solution)
        with named(seed):
            levels = components(problem, best_of_all(problem).levels)
            assert_sound(problem, solution, levels)
    assert cut_short > 0


@pytest.mark.parametrize("seeds", chunks(TINY_COVER, TINY_COVER_CHUNK), ids=span)
def test_a_cover_claims_nothing_false(seeds: range) -> None:
    """The engine for very wide orders proves a part: here it can be looked after."""
    proven: Counter[bool] = Counter()
    for seed in seeds:
        problem = tiny(seed)
        solution = solve_set_cover(problem, LIMITS)
        if solution is None:
            continue
        proven[is_proven(problem, solution)] += 1
        with named(seed):
            levels = components(problem, best_of_all(problem).levels)
            assert_sound(problem, solution, levels)
    assert proven[True] > 0
    assert proven.total() >= LEAST_COVERED * len(seeds)


# --- Two engines ----------------------------------------------------------------


@pytest.mark.parametrize("seeds", chunks(MEDIUM, MEDIUM_CHUNK), ids=span)
def test_two_engines_agree_on_medium_worlds(seeds: range) -> None:
    answered = Answered()
    proven = 0
    for seed in seeds:
        problem = medium(seed)
        exact = solve_exact(problem, MEDIUM_LIMITS)
        answered.count(seed, problem, exact is not None)
        modelled = solve_cpsat(problem, MEDIUM_LIMITS)
        proven += is_proven(problem, modelled)
        with named(seed):
            assert_two_agree(problem, modelled, exact or solve(problem, MEDIUM_LIMITS))
            if exact is not None:
                assert is_proven(problem, exact)
                assert_sound_beside(problem, solve(problem, FEW), exact)
                cover = solve_set_cover(problem, MEDIUM_LIMITS)
                assert_sound_beside(problem, cover or exact, exact)
    answered.assert_enough(LEAST_MEDIUM)
    assert proven >= LEAST_MODELLED * len(seeds)


def is_proven(problem: SourcingProblem, solution: Solution) -> bool:
    return all(each.proven for each in judge(problem, solution))


def values_of(problem: SourcingProblem, solution: Solution) -> dict[str, int]:
    return {each.name: each.value for each in judge(problem, solution)}


def assert_two_agree(problem: SourcingProblem, one: Solution, other: Solution) -> None:
    """Two proven answers are worth the same; one proven judges the other's claims."""
    assert_allowed(problem, one)
    assert_allowed(problem, other)
    match is_proven(problem, one), is_proven(problem, other):
        case True, True:
            assert values_of(problem, one) == values_of(problem, other)
        case True, False:
            assert_sound_beside(problem, other, one)
        case False, True:
            assert_sound_beside(problem, one, other)


def assert_sound_beside(
    problem: SourcingProblem, solution: Solution, best: Solution
) -> None:
    """Where nothing is tolerated, the values of a proven answer are the levels."""
    if not any(each.tolerant for each in problem.objectives):
        assert_sound(problem, solution, values_of(problem, best))


# --- Whatever the world ---------------------------------------------------------


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(problem=problems())
def test_nothing_is_shipped_that_is_not_ordered_and_there(
    problem: SourcingProblem,
) -> None:
    solution = solve(problem, LIMITS)

    shipped: dict[int, int] = {}
    taken: dict[tuple[int, int], int] = {}
    for location, line, units in solution.pieces:
        assert units > 0
        shipped[line] = shipped.get(line, 0) + units
        for sku, per_unit in problem.bom[line]:
            cell = sku, location
            taken[cell] = taken.get(cell, 0) + units * per_unit
    assert all(units <= problem.demand[line] for line, units in shipped.items())
    assert all(units <= problem.available[cell] for cell, units in taken.items())
    assert check(problem, solution.pieces) == []


@pytest.mark.parametrize("world", [tiny, medium])
def test_the_same_problem_has_the_same_answer(
    world: Callable[[int], SourcingProblem],
) -> None:
    """Each is drawn again, so that nothing is remembered by identity."""
    for seed in range(REPEATED if world is tiny else REPEATED // 5):
        once, again = (solve(world(seed), MEDIUM_LIMITS) for _ in range(2))
        with named(seed):
            assert once == again
