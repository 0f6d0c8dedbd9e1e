"""What one would write without thinking about it twice: the whole order in CP-SAT.

An integer for each location and line, a boolean for each location, a boolean for
each line that is split, one weighted objective: units, then split lines, then
locations. It leaves out ``primary`` and ``rank``, so it has less to do than we do.
Default parameters.
"""

from typing import NamedTuple

from ortools.sat.python import cp_model

from router.optimize.problem import SourcingProblem

TIME_LIMIT_SECONDS = 20.0


class Answer(NamedTuple):
    """Units unassigned, split lines, locations; and whether that was proven."""

    unassigned: int
    split: int
    locations: int
    proven: bool


def solve(problem: SourcingProblem) -> Answer:
    """Return the best the model finds within its time limit."""
    lines, locations = problem.available.shape
    model = cp_model.CpModel()
    ship = [
        [
            model.new_int_var(
                0, min(problem.demand[k], int(problem.available[k, n])), f"x{n}_{k}"
            )
            for k in range(lines)
        ]
        for n in range(locations)
    ]
    used = [model.new_bool_var(f"y{n}") for n in range(locations)]
    whole = [
        [model.new_bool_var(f"w{n}_{k}") for k in range(lines)]
        for n in range(locations)
    ]
    split = [model.new_bool_var(f"s{k}") for k in range(lines)]
    unassigned = []
    for k in range(lines):
        column = [ship[n][k] for n in range(locations)]
        model.add(sum(column) <= problem.demand[k])
        unassigned.append(problem.demand[k] - sum(column))
        for n in range(locations):
            model.add(ship[n][k] <= problem.demand[k] * whole[n][k])
            model.add_implication(whole[n][k], used[n])
        model.add(
            sum(whole[n][k] for n in range(locations)) <= 1 + locations * split[k]
        )
    by_split = locations + 1
    by_units = by_split * (lines + 1)
    model.minimize(by_units * sum(unassigned) + by_split * sum(split) + sum(used))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = TIME_LIMIT_SECONDS
    status = solver.solve(model)
    return Answer(
        sum(problem.demand) - sum(solver.value(x) for row in ship for x in row),
        sum(solver.value(s) for s in split),
        sum(solver.value(y) for y in used),
        status == cp_model.OPTIMAL,
    )
