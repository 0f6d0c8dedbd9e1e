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
from router.optimize.batch.branch import Branching
from router.optimize.batch.pricing import EXACT_NODES, SCALE
from router.optimize.limits import SolveLimits
from router.optimize.problem import SourcingProblem, check, judge
from router.optimize.solve import solve
from router.policies import PRESETS

LINES = 100
"""Lines from which a basket is among the largest."""

LIMITS = SolveLimits(wall_seconds=1.5)
"""As in bench_engine.py: the time that one large order gets."""

_POLICY = "fewest-shipments"
_WEEKS = range(baskets.FIRST_WEEK, baskets.LAST_WEEK + 1)


class Alone(NamedTuple):
    """A basket by both: shipments, what is proven least, and seconds."""

    lines: int
    shipments: int
    bound: int
    engine: str
    wall_seconds: float
    branch_shipments: int
    branch_bound: int
    branch_seconds: float


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


def alone(stock: IntArray, demand: IntArray) -> Alone:
    """Answer one basket twice.

    Raises
    ------
    AssertionError
        A bound is above the other's plan.
    """
    problem = SourcingProblem(
        available=stock,
        demand=tuple(demand.tolist()),
        bom=tuple(((line, 1),) for line in range(len(demand))),
        objectives=PRESETS[_POLICY].objectives,
    )
    began = time.monotonic()
    solution = solve(problem, LIMITS)
    spent = time.monotonic() - began
    assert check(problem, solution.pieces) == []
    values = {each.name: each for each in judge(problem, solution)}
    assert values["unassigned_units"].value == 0
    ships = values["shipments"]
    began = time.monotonic()
    fixed = np.full(stock.shape[1], SCALE, dtype=np.int64)
    search = Branching(demand, np.zeros_like(stock), stock, fixed, 0)
    branched = search.run(EXACT_NODES)
    spent_branching = time.monotonic() - began
    found = Alone(
        len(demand),
        ships.value,
        ships.bound,
        solution.engine,
        spent,
        branched.value // SCALE,
        -(-branched.bound // SCALE),
        spent_branching,
    )
    least = max(found.bound, found.branch_bound)
    assert least <= min(found.shipments, found.branch_shipments)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=LINES)
    chosen = parser.parse_args()
    found = [alone(*basket) for basket in largest(chosen.lines)]
    lines = [each.lines for each in found]
    print(f"{len(found)} baskets of {min(lines)} to {max(lines)} lines")
    print("| by | shipments | proven | mean gap | p50 | p99 | most |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    engines = ", ".join(sorted({each.engine for each in found}))
    print(_row(f"one order ({engines})", [each[1:3] for each in found], 4, found))
    print(_row("branching", [each[5:7] for each in found], 7, found))


def _row(
    name: str, pairs: list[tuple[int, int]], seconds_at: int, found: list[Alone]
) -> str:
    value, bound = np.array(pairs).T
    seconds = np.array([each[seconds_at] for each in found])
    p50, p99 = np.percentile(seconds, [50, 99])
    proven = np.count_nonzero(value == bound) / len(value)
    gap = 100 * (value.sum() - bound.sum()) / bound.sum()
    return (
        f"| {name} | {value.sum():,} | {proven:.0%} | {gap:.1f} % | {p50:.2f} s"
        f" | {p99:.2f} s | {seconds.max():.2f} s |"
    )


if __name__ == "__main__":
    main()
