"""The panel's weeks in turn: ``python -m benchmarks.batch.year [14 22 30]``.

Each week is answered by itself, as a nightly run would: exactly order by order and
jointly. Nothing is carried over, so the bounds of the weeks add up to one of them all.
"""

import argparse
from typing import NamedTuple

from benchmarks.batch import baskets, facts
from benchmarks.batch.answers import EXACT, JOINT, answer
from benchmarks.batch.instances import BASKETS, problem_of
from benchmarks.batch.measures import gap_percent, proven, removed_percent, worth
from benchmarks.batch.store import keep

COLUMNS = (
    "week",
    "baskets",
    "lines",
    "order by order",
    "joint",
    "bound",
    "gap %",
    "saved %",
    "at most %",
    "CPU s before",
    "CPU s",
    "seconds",
)


class Week(NamedTuple):
    """Counts of a week, or of several."""

    orders: int
    lines: int
    before_shipments: int
    joint_shipments: int
    bound_shipments: int
    before_cpu_seconds: float
    cpu_seconds: float
    wall_seconds: float

    def row(self, name: str) -> str:
        """Return a line of the table."""
        before, joint, bound = self[2:5]
        cells = [
            name,
            *(f"{count:,}" for count in self[:5]),
            f"{gap_percent(joint, bound):.2f}",
            f"{removed_percent(self.orders, before, joint):.1f}",
            f"{removed_percent(self.orders, before, bound):.1f}",
            *(f"{seconds:,.0f}" for seconds in self[5:]),
        ]
        return f"| {' | '.join(cells)} |"


def answered(number: int, seconds: float, stores: bool = False) -> Week:
    """Answer one week twice, and keep the joint answer if it is to be.

    Raises
    ------
    AssertionError
        A plan breaks a limit, leaves an order waiting, or is below the bound.
    """
    name = f"{BASKETS}-{number}"
    problem = problem_of(name)
    before, joint = (answer(name, method, seconds) for method in (EXACT, JOINT))
    level = proven(problem, joint)
    worths = [worth(problem, found.plan) for found in (before, joint)]
    assert not any(each.incomplete_orders for each in worths)
    assert all(level.bound <= each.shipments for each in worths)
    if stores:
        keep(name, problem, joint, level, worths[0].shipments)
    return Week(
        problem.orders,
        len(problem.sku),
        worths[0].shipments,
        level.value,
        level.bound,
        before.cpu_seconds,
        joint.cpu_seconds,
        joint.wall_seconds,
    )


def total(weeks: list[Week]) -> Week:
    """Return the sums."""
    return Week(*map(sum, zip(*weeks, strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    every = range(baskets.FIRST_WEEK, baskets.LAST_WEEK + 1)
    parser.add_argument("weeks", nargs="*", type=int, metavar="WEEK")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--store", action="store_true")
    chosen = parser.parse_args()
    if set(chosen.weeks) - set(every):
        parser.error(f"weeks are {every[0]} to {every[-1]}")
    print(f"Commit {facts.commit()}, {facts.machine()}.", end="\n\n")
    print(f"| {' | '.join(COLUMNS)} |")
    print("| --- " * len(COLUMNS) + "|", flush=True)
    weeks = []
    for number in chosen.weeks or every:
        weeks.append(answered(number, chosen.seconds, chosen.store))
        print(weeks[-1].row(str(number)), flush=True)
    print(total(weeks).row(f"{len(weeks)} weeks"))


if __name__ == "__main__":
    main()
