"""Random instances and their exact optimum: ``python -m benchmarks.batch.optimum``.

The whole instance as one integer programme, that HiGHS solves to its proof: no
peeling, no prices, no patterns. The optimum must lie between the joint answer's bound
and its value; the answer ends by work and not by the clock, so that a run is the same
everywhere.
"""

import argparse
import datetime
import time

import numpy as np
from ortools.math_opt.python import mathopt

from benchmarks.batch import facts
from benchmarks.batch.generator import Size, draw
from router.optimize.batch.problem import BatchProblem, check
from router.optimize.batch.proof.certificate import verify
from router.optimize.batch.solve import BatchLimits, solve_batch

SIZE = Size(400, 12, 150)
REGIMES = ("tight", "medium", "loose")
LIMITS = BatchLimits(wall_seconds=600.0)


def optimum(problem: BatchProblem, seconds: float) -> tuple[int, int]:
    """Return proven limits, alike where there was time, of the fewest shipments.

    Raises
    ------
    AssertionError
        There is no plan in which all orders ship whole, or none was found.
    """
    model = mathopt.Model()
    orders, locations = problem.orders, problem.stock.shape[1]
    visit = [
        [model.add_binary_variable() for _ in range(locations)] for _ in range(orders)
    ]
    uses: dict[tuple[int, int], list[mathopt.Variable]] = {}
    columns = (problem.order_of, problem.sku, problem.demand)
    for order, sku, units in zip(*(each.tolist() for each in columns), strict=True):
        shipped = []
        for n, there in enumerate(problem.stock[sku].tolist()):
            most = min(units, there)
            if most:
                ships = model.add_integer_variable(lb=0, ub=most)
                model.add_linear_constraint(ships <= most * visit[order][n])
                uses.setdefault((sku, n), []).append(ships)
                shipped.append(ships)
        model.add_linear_constraint(mathopt.fast_sum(shipped) == units)
    for (sku, n), every in uses.items():
        stock = int(problem.stock[sku, n])
        model.add_linear_constraint(mathopt.fast_sum(every) <= stock)
    model.minimize(mathopt.fast_sum([each for row in visit for each in row]))
    limit = datetime.timedelta(seconds=seconds)
    parameters = mathopt.SolveParameters(time_limit=limit)
    found = mathopt.solve(model, mathopt.SolverType.HIGHS, params=parameters)
    assert found.has_primal_feasible_solution(), found.termination
    best = round(found.objective_value())
    least = int(np.ceil(found.best_objective_bound() - 1e-6))
    return min(least, best), best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=10, help="of each regime")
    parser.add_argument("--seconds", type=float, default=120.0, help="of the exact one")
    chosen = parser.parse_args()
    print(f"Commit {facts.commit()}, {facts.machine()}.", end="\n\n")
    print("| instance | bound | optimum | value | joint, s | exact, s |")
    print("| --- " * 6 + "|", flush=True)
    for regime in REGIMES:
        for instance in range(chosen.instances):
            problem = draw(regime, SIZE, instance)
            began = time.monotonic()
            solution = solve_batch(problem, LIMITS)
            joint = time.monotonic() - began
            assert check(problem, solution.plan) == []
            assert verify(problem, solution.certificate) == solution.levels
            late, level = solution.levels[:2]
            assert late.value == 0
            began = time.monotonic()
            least, best = optimum(problem, chosen.seconds)
            exact = time.monotonic() - began
            assert level.bound <= best, (regime, instance)
            assert least <= level.value, (regime, instance)
            shown = f"{best}" if least == best else f"{least} to {best}"
            cells = (level.bound, shown, level.value, f"{joint:.1f}", f"{exact:.1f}")
            name = f"{regime}-400-{instance}"
            print(f"| {name} | {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
