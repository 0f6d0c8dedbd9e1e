"""A report on the terminal, at 80 columns and at 120."""

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from router.report.model import Report
from router.report.words import (
    MINUS,
    Grid,
    Row,
    figures,
    kept_grid,
    load_grids,
    phases_grid,
    sentences,
    series_grid,
    spread,
)

TOP_LOCATIONS = 10
"""Busiest locations shown; the report's page has more."""
SIDE_BY_SIDE_COLUMNS = 112
"""From this width on, tables are printed in pairs."""
_LABEL_COLUMNS = 26
_VALUE_COLUMNS = 14


def render(report: Report, console: Console) -> None:
    """Print a report: outcomes of the orders, proven bounds, load by location."""
    console.print(Text(report.title, style="bold"))
    if report.made_at:
        console.print(Text(report.made_at, style="dim"))
    _print_grids(console, [figures(report), spread(report)])
    for sentence in sentences(report):
        console.print(Text(sentence))
    if len(report.outcomes) > 1 or report.bound is not None:
        console.print()
    _print_grids(console, [*load_grids(report, TOP_LOCATIONS)])
    later = (kept_grid(report), series_grid(report), phases_grid(report))
    _print_grids(console, [each for each in later if each is not None])
    for note in report.notes:
        console.print(Text(note, style="dim"))


def _print_grids(console: Console, grids: list[Grid]) -> None:
    """Print tables, two side by side if they fit."""
    parts = [part for grid in grids for part in _parts(grid, console.width)]
    tables = [_table(part, ascii_only=console.options.ascii_only) for part in parts]
    while tables:
        pair = tables[:2]
        widths = [console.measure(each).maximum for each in pair]
        if console.width >= SIDE_BY_SIDE_COLUMNS and (
            len(pair) == 2 and sum(widths) + 3 <= console.width
        ):
            both = Table.grid(padding=(0, 3))
            both.add_row(*pair)
            console.print(both)
            del tables[:2]
        else:
            console.print(pair[0])
            del tables[0]


def _parts(grid: Grid, width: int) -> Iterator[Grid]:
    """Split a wide table by columns; the first, the base, is in every part."""
    room = max(2, (width - _LABEL_COLUMNS) // _VALUE_COLUMNS)
    if len(grid.columns) <= max(room, 3):
        yield grid
        return
    others = [*range(1, len(grid.columns))]
    while others:
        here = [0, *others[: room - 1]]
        del others[: room - 1]
        yield Grid(
            grid.title,
            grid.corner,
            tuple(grid.columns[at] for at in here),
            tuple(
                Row(row.label, tuple(row.values[at] for at in here))
                for row in grid.rows
            ),
        )


def _table(grid: Grid, *, ascii_only: bool) -> Table:
    table = Table(
        box=box.ASCII if ascii_only else box.ROUNDED,
        border_style="dim",
        header_style="dim",
        title=Text(grid.title, style="bold"),
        title_justify="left",
    )
    # Ids are not markup.
    table.add_column(Text(grid.corner), overflow="fold")
    for name in grid.columns:
        # Long names are broken at hyphens.
        header = Text(name.replace("-", "-\n"))
        table.add_column(header, justify="right", overflow="fold")
    for row in grid.rows:
        values = [
            each.replace(MINUS, "-") if ascii_only else each for each in row.values
        ]
        table.add_row(Text(row.label), *map(Text, values))
    return table
