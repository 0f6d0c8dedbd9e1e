"""How others route, and the joint answer, in one table.

``python -m benchmarks.batch.table`` takes one instance of each regime of 10,000
orders; ``--quick`` 1,000 orders. Names of others may follow, such as baskets-30.
``--markdown`` prints what RESULTS.md holds; ``--store`` keeps the joint answers that
are better than what results.json holds.

A wrong answer must lose: every plan is checked, the bound is found again from the
certificate's prices alone, and no plan that ships as many orders may be below it.
"""

import argparse
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.batch import facts
from benchmarks.batch.answers import EXACT, JOINT, METHODS, Answer, answer
from benchmarks.batch.instances import problem_of
from benchmarks.batch.measures import Worth, gap_percent, proven, removed_percent, worth
from benchmarks.batch.store import keep

FULL = ("tight-10k-0", "medium-10k-0", "loose-10k-0", "deep-10k-0")
QUICK = ("tight-1k-0", "medium-1k-0", "loose-1k-0", "deep-1k-0")
SECONDS = {False: 120.0, True: 20.0}
"""Most seconds of a joint answer, by whether the table is the quick one."""

COLUMNS = (
    "method",
    "shipments",
    "split orders",
    "units",
    "incomplete",
    "gap %",
    "seconds",
    "CPU s",
    "MB",
)


class Row(NamedTuple):
    """One method on one instance; the gap is to the joint answer's bound."""

    method: str
    worth: Worth
    gap_percent: float | None
    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int

    def cells(self) -> list[str]:
        """Return what the table shows."""
        gap = "-" if self.gap_percent is None else f"{self.gap_percent:.2f}"
        return [
            self.method,
            *(f"{count:,}" for count in self.worth),
            gap,
            f"{self.wall_seconds:.1f}",
            f"{self.cpu_seconds:.1f}",
            f"{self.peak_bytes / 1e6:,.0f}",
        ]


class Section(NamedTuple):
    """The rows of one instance."""

    name: str
    orders: int
    cover: float
    bound: int
    rows: tuple[Row, ...]

    def title(self) -> str:
        """Return what stands above the rows."""
        return (
            f"{self.name}: {self.orders:,} orders, stock/demand {self.cover:.1f},"
            f" at least {self.bound:,} shipments"
        )

    def gain(self) -> str:
        """Return what the joint answer saves of what the exact one by one spends."""
        by_method = {row.method: row.worth for row in self.rows}
        before, after = by_method[EXACT], by_method[JOINT]
        if before.incomplete_orders != after.incomplete_orders:
            return "the joint answer and order by order complete different orders"
        saved = removed_percent(self.orders, before.shipments, after.shipments)
        most = removed_percent(self.orders, before.shipments, self.bound)
        return (
            f"saves {saved:.1f} % of the avoidable shipments (beyond one per order)"
            f" that order by order has; no plan saves more than {most:.1f} %"
        )


def section(
    name: str,
    seconds: float,
    stores: bool = False,
    methods: Iterable[str] = tuple(METHODS),
) -> Section:
    """Answer an instance by some methods, and jointly; keep that if it is to be.

    Raises
    ------
    AssertionError
        A plan breaks a limit, or is better than the bound says any can be.
    """
    problem = problem_of(name)
    joint = answer(name, JOINT, seconds)
    level = proven(problem, joint)
    waiting = worth(problem, joint.plan).incomplete_orders

    def row(method: str, found: Answer) -> Row:
        counts = worth(problem, found.plan)
        gap = None
        # The bound is of plans in which no more orders wait.
        if counts.incomplete_orders <= waiting:
            assert level.bound <= counts.shipments, (name, method)
            gap = gap_percent(counts.shipments, level.bound)
        return Row(method, counts, gap, *found[2:])

    rows = [row(method, answer(name, method, seconds)) for method in methods]
    if stores:
        before = next(each.worth.shipments for each in rows if each.method == EXACT)
        keep(name, problem, joint, level, before)
    cover = float(problem.stock.sum() / problem.demand.sum())
    return Section(name, problem.orders, cover, level.bound, (*rows, row(JOINT, joint)))


def markdown(found: Section) -> Iterator[str]:
    """Return the lines of a section."""
    yield f"{found.title()}; jointly it {found.gain()}."
    yield ""
    yield "| " + " | ".join(COLUMNS) + " |"
    yield "| --- " * len(COLUMNS) + "|"
    for row in found.rows:
        yield "| " + " | ".join(row.cells()) + " |"
    yield ""


def rich_table(found: Section) -> Table:
    """Return a section for a terminal."""
    table = Table(title=found.title(), caption=f"Jointly it {found.gain()}.")
    for at, column in enumerate(COLUMNS):
        table.add_column(column, justify="right" if at else "left")
    for row in found.rows:
        table.add_row(*row.cells(), style="bold" if row.method == JOINT else None)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--store", action="store_true")
    parser.add_argument("--seconds", type=float)
    chosen = parser.parse_args()
    names = chosen.names or (QUICK if chosen.quick else FULL)
    seconds = chosen.seconds or SECONDS[chosen.quick]
    console = Console()
    about = f"Commit {facts.commit()}, {facts.machine()}."
    print(about, end="\n\n", flush=True)
    for name in names:
        found = section(name, seconds, chosen.store)
        if chosen.markdown:
            print(*markdown(found), sep="\n", flush=True)
        else:
            console.print(rich_table(found))


if __name__ == "__main__":
    main()
