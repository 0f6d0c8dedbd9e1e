"""The model of record: every limit and every objective, in OR-Tools CP-SAT."""

from router.optimize.cpsat_search import NoOtherPlanError, Search
from router.optimize.cpsat_variables import OutOfTimeError
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
    expression (`Terms`; `Places` for primary). What is frozen is a plan, so
    "infeasible" is a bug and not a result.

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
        limit. Also where numbers outgrow it: all that an objective adds up, each
        term as large as its stock allows, must stay below ``2**60``. For costs
        that is counted in the greatest common divisor of all of them, and above
        the least unit cost if the units that ship are settled before. With
        unassigned_units first and unit costs that are a million micros apart, a
        million million units are within it.

    Notes
    -----
    Parameters were chosen by CPU time over seeded orders, 4 x 3 to 200 locations x
    10 lines, four presets (OR-Tools 9.15, 2 shared cores, median of 12, in ms):

    ============================================ ======= ======= =======
    single-location-first, N x L                  30 x 4 100 x 5 200 x 5
    ============================================ ======= ======= =======
    as it is                                          18      60     110
    linearization 1 throughout                        17      62     150
    linearization 2 throughout                        22      93     307
    linearization 0                                10^4+   10^4+   10^4+
    probing 2                                         18      76     226
    symmetry 2                                        22      83     172
    presolve, 3 rounds                                25      84     230
    no presolve (its worst: 1.4 s)                    21      82     180
    cores; lower bound tree; 2 workers              213+    278+    306+
    levels packed up to 2**50                         18      55     180
    ============================================ ======= ======= =======

    Linearization 2 halves the solves without places (``cheapest``, 100 x 10: 87
    instead of 318); the reified rows of places only weigh its LP down.
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
