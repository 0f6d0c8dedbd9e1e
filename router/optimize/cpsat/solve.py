"""The model of record: every limit and every objective, in OR-Tools CP-SAT."""

from router.optimize.cpsat.search import NoOtherPlanError, Search
from router.optimize.cpsat.variables import OutOfTimeError
from router.optimize.limits import SolveLimits
from router.optimize.problem import Piece, Solution, SourcingProblem


def solve_cpsat(
    problem: SourcingProblem,
    limits: SolveLimits = SolveLimits(),
    hint: tuple[Piece, ...] | None = None,
) -> Solution:
    """Return the best plan, objective by objective, or the best found in time.

    The variables are ``x[n, l]``, the line units, and literals for what ships at
    all: cells, locations, origins (`SourcingVariables`). Every limit of
    docs/model.md is a family of rows (`Limits`), every objective a linear
    expression (`ObjectiveTerms`; `LocationRanking` for primary). What is frozen is a
    plan, so "infeasible" is a bug and not a result.

    The objectives are minimised in order. Consecutive ones share a solve as long
    as they have few values together: each is weighted by the product of the sizes
    of those after it, which makes the weighted sum compare like the list. Then
    the best is demanded of all later solves (or no worse than its tolerance
    allows), which start from the plan before. In the end tolerant objectives are
    minimised again, in order. Ties are broken by the order of locations where
    that fits into the last solve, and by a fixed seed of a single worker beyond.

    Parameters
    ----------
    problem
        ``N`` locations, ``L`` lines.
    limits
        When to stop: ``wall_seconds`` and ``deterministic_time`` are for the whole
        call. The same problem, limits and hint give the same plan unless
        ``wall_seconds`` is what stops the search.
    hint
        A plan to start from, which need not be good. One that the limits do not
        allow is ignored.

    Returns
    -------
    Solution
        Stopped early, the best plan known: found, or the hint, or what is frozen.
        Its bounds then tell the objectives that are proven from the others.

    Raises
    ------
    SolverError
        OR-Tools refused the model or called it infeasible, or its plan breaks a
        limit: faults of ours. Or a number outgrows it: all that one objective
        adds up, with as much at every location as it could ship, must stay below
        ``2**60``. Only costs can come near. They are counted in their greatest
        common divisor and, where unassigned_units are settled before without a
        tolerance, above the least unit cost. So 10**9 units in stock at each of
        100 locations may differ by 10**7 micros each, and cost any amount.

    Notes
    -----
    Median (and worst) CPU time in ms of 12 seeded orders of single-location-first,
    on one of 2 cores that were shared; OR-Tools 9.15, November 2026:

    ========================== ======= ========= ========== ==========
    locations x lines           4 x 3    30 x 4    100 x 5    200 x 5
    ========================== ======= ========= ========== ==========
    as it is                    3 (6)   19 (42)   86 (152)  131 (485)
    linearization 0             3 (6)      1762       2525       3116
    linearization 1             4 (5)   22 (44)   85 (105)  138 (502)
    linearization 2             3 (11)  36 (213) 131 (462)  366 (3513)
    probing 2                   4 (12)  20 (52)   98 (158)  239 (1351)
    symmetry 2                  5 (12)  25 (56)   95 (142)  154 (496)
    3 rounds of presolve        4 (14)  25 (56)   97 (176)  153 (575)
    no presolve                 4 (14)  18 (52)   73 (184)  224 (1052)
    2 workers                   8 (16)  49 (130) 216 (294)  347 (1012)
    cores                       5 (16)       535       2380       3395
    packs up to 2**50           3 (12)  19 (43)   93 (155)  162 (488)
    packs up to 2**20           3 (6)   20 (37)   81 (142)  178 (423)
    ========================== ======= ========= ========== ==========

    "As it is" changes from linearization 2 to 1 when there are places: 2 solves
    ``cheapest`` at 100 x 10 in 87 instead of 318 ms, but the rows of places only
    weigh its relaxation down. At 100 x 10, packs up to 2**50 take 438 (1663)
    instead of 377 (646), and without presolve one in 12 is unproven after 5 s. One
    presolve rule of 9.15 is wrong and switched off, at no cost that could be
    measured: see `Search`.
    """
    search = Search(problem, limits, hint)
    try:
        search.run()
    except OutOfTimeError:
        return search.solution(proven=False)
    return search.solution(proven=True)


def solve_cpsat_excluding(
    problem: SourcingProblem,
    excluded: frozenset[int],
    limits: SolveLimits = SolveLimits(),
    hint: tuple[Piece, ...] | None = None,
) -> Solution | None:
    """Return the best plan whose set of used locations is not ``excluded``.

    None where there is none, or none was found in time. Otherwise as
    `solve_cpsat`, its bounds being those of such plans.
    """
    search = Search(problem, limits, hint, excluded)
    try:
        search.run()
    except NoOtherPlanError:
        return None
    except OutOfTimeError:
        return search.solution(proven=False) if search.has_plan else None
    return search.solution(proven=True)
