"""The year's largest baskets, each alone: 100 lines and more over 457 stores.

``python -m benchmarks.batch.large`` routes each by `router.optimize.solve`, as an
order that comes in is routed, and by the branching that prices large orders in a
batch. Both minimise shipments and give a bound; the first then has further objectives.
"""

import argparse
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from availability.model import IntArray
from benchmarks.batch import baskets
from benchmarks.batch.measures import worth
from router.optimize.batch.pricing.pricing import SCALE, Pricer
from router.optimize.batch.problem import BatchPlan, BatchProblem
from router.optimize.batch.scarcity.peel import fixed_of
from router.optimize.limits import SolveLimits
from router.optimize.problem import SourcingProblem, check
from router.optimize.score import judge
from router.optimize.solve import solve
from router.policies import PRESETS

LINES = 100
"""Lines from which a basket is among the largest."""

LIMITS = SolveLimits(wall_seconds=1.5)
"""As in bench_engine.py: the time that one large order gets."""

_POLICY = "fewest-shipments"
_WEEKS = range(baskets.FIRST_WEEK, baskets.LAST_WEEK + 1)


class Alone(NamedTuple):
    """A basket by one of the two: shipments, what is proven least, and seconds."""

    lines: int
    by: str
    shipments: int
    bound: int
    wall_seconds: float
    cpu_seconds: float


def largest(
    least_lines: int = LINES, weeks: Iterable[int] = _WEEKS
) -> Iterator[tuple[IntArray, IntArray]]:
    """Return stock ``(L, N)``, in the order of the basket's list, and demand."""
    for number in weeks:
        problem = baskets.week(number)
        lines = np.diff(problem.start)
        for order in np.flatnonzero(lines >= least_lines).tolist():
            rows = slice(problem.start[order], problem.start[order + 1])
            by_rank = problem.rank_of(order).argsort(kind="stable")
            yield problem.stock[problem.sku[rows]][:, by_rank], problem.demand[rows]


def routed(stock: IntArray, demand: IntArray, limits: SolveLimits = LIMITS) -> Alone:
    """Answer a basket as one order."""
    problem = SourcingProblem(
        available=stock,
        demand=tuple(demand.tolist()),
        bom=tuple(((line, 1),) for line in range(len(demand))),
        objectives=PRESETS[_POLICY].objectives,
    )
    wall, cpu = time.monotonic(), time.process_time()
    solution = solve(problem, limits)
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    assert check(problem, solution.pieces) == []
    values = {each.name: each for each in judge(problem, solution)}
    assert values["unassigned_units"].value == 0
    ships = values["shipments"]
    by = f"one order, {solution.engine}"
    return Alone(len(demand), by, ships.value, ships.bound, wall, cpu)


def branched(stock: IntArray, demand: IntArray) -> Alone:
    """Answer a basket as the batch prices it, with no prices."""
    lines = len(demand)
    problem = BatchProblem(
        stock=stock, start=np.array([0, lines]), sku=np.arange(lines), demand=demand
    )
    free = np.zeros_like(stock)
    wall, cpu = time.monotonic(), time.process_time()
    found = Pricer(problem, np.array([0])).price(stock, free, fixed_of(problem))
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    plan = BatchPlan(found.line, found.location, found.units)
    counts = worth(problem, plan)
    assert not counts.incomplete_orders
    bound = -(-int(found.value[0]) // SCALE)
    return Alone(lines, "branching", counts.shipments, bound, wall, cpu)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--seconds", type=float, default=LIMITS.wall_seconds)
    chosen = parser.parse_args()
    limits = SolveLimits(wall_seconds=chosen.seconds)
    found: list[Alone] = []
    for stock, demand in largest(chosen.lines):
        both = routed(stock, demand, limits), branched(stock, demand)
        # Neither may be below what the other proves.
        least = max(each.bound for each in both)
        assert least <= min(each.shipments for each in both)
        found += both
    lines = [each.lines for each in found]
    print(f"{len(found) // 2} baskets of {min(lines)} to {max(lines)} lines")
    print("| by | baskets | shipments | bound | proven | p50 | most | CPU p50 |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for by in sorted({each.by for each in found}):
        print(row(by, [each for each in found if each.by == by]))


def row(by: str, found: list[Alone]) -> str:
    """Return the sums of some baskets as a line of a table."""
    shipments = sum(each.shipments for each in found)
    bound = sum(each.bound for each in found)
    proven = sum(each.shipments == each.bound for each in found)
    wall = [each.wall_seconds for each in found]
    cpu = [each.cpu_seconds for each in found]
    return (
        f"| {by} | {len(found)} | {shipments:,} | {bound:,} | {proven}"
        f" | {np.median(wall):.2f} s | {max(wall):.2f} s | {np.median(cpu):.2f} s |"
    )


if __name__ == "__main__":
    main()
