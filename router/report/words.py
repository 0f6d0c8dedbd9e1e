"""The tables and sentences that every view of a report shows."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from router.report.model import LocationLoad, Report, RoutingOutcome

LAST_SHIPMENTS = 6
"""Orders with this many shipments or more share one row."""
MINUS = "\N{MINUS SIGN}"
SERIES_ROWS = 12
"""Most rows of the table of values over time."""


class Row(NamedTuple):
    """A label and its values, a text for each column."""

    label: str
    values: tuple[str, ...]


class Grid(NamedTuple):
    """A table: its title, the heading of its labels, its columns and its rows."""

    title: str
    corner: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


_FIGURES: tuple[tuple[str, Callable[[RoutingOutcome], int]], ...] = (
    ("orders", lambda each: each.orders),
    ("complete orders", lambda each: each.complete_orders),
    ("split orders", lambda each: each.split_orders),
    ("shipments", lambda each: each.shipments),
    ("split lines", lambda each: each.split_lines),
    ("units assigned", lambda each: each.assigned_units),
    ("units unassigned", lambda each: each.unassigned_units),
)
_RARE: tuple[tuple[str, Callable[[RoutingOutcome], int]], ...] = (
    ("orders refused", lambda each: each.refused_orders),
    ("plans not proven", lambda each: each.unproven_orders),
)


def figures(report: Report) -> Grid:
    """Return the main figures of each outcome."""
    outcomes = report.outcomes
    shown = [*_FIGURES]
    shown += [each for each in _RARE if any(map(each[1], outcomes))]
    rows = [_row(label, [of(each) for each in outcomes]) for label, of in shown]
    reasons = sorted({each.reason for one in outcomes for each in one.unassigned})
    for reason in reasons:
        units = [
            sum(each.count for each in one.unassigned if each.reason == reason)
            for one in outcomes
        ]
        rows.append(_row(f"unassigned: {reason.replace('_', ' ')}", units))
    return Grid("Outcome", "", _columns(report), tuple(rows))


def spread(report: Report) -> Grid:
    """Return the number of orders by number of shipments."""
    columns = spread_counts(report)
    rows = [
        _row(label, values)
        for label, values in zip(spread_labels(report), columns, strict=True)
    ]
    return Grid(
        "Orders by number of shipments", "shipments", _columns(report), tuple(rows)
    )


def spread_labels(report: Report) -> list[str]:
    """Return the row labels: 1, 2... and 0 if it occurs; the last may be open-ended."""
    first, most = _shipments_shown(report)
    labels = [str(n) for n in range(first, min(most, LAST_SHIPMENTS) + 1)]
    if most > LAST_SHIPMENTS:
        labels[-1] += " or more"
    return labels


def spread_counts(report: Report) -> list[list[int]]:
    """Return the orders of each label, an outcome a column."""
    first, _ = _shipments_shown(report)
    table = [[0] * len(report.outcomes) for _ in spread_labels(report)]
    for at, outcome in enumerate(report.outcomes):
        for n, orders in enumerate(outcome.shipments_per_order):
            if n >= first:
                table[min(n, LAST_SHIPMENTS) - first][at] += orders
    return table


def _shipments_shown(report: Report) -> tuple[int, int]:
    """Return the least and the most shipments that any order has in any outcome."""
    spreads = [each.shipments_per_order for each in report.outcomes]
    unshipped = any(each[0] for each in spreads if each)
    return 0 if unshipped else 1, max(len(each) for each in spreads) - 1


def busiest(report: Report, most: int) -> list[tuple[str, list[LocationLoad]]]:
    """Return the locations with the most units in any outcome, one load per outcome."""
    found: dict[str, list[LocationLoad]] = {}
    for at, outcome in enumerate(report.outcomes):
        for load in outcome.loads:
            name = load.location_id
            loads = found.setdefault(
                name, [LocationLoad(name, 0, 0)] * len(report.outcomes)
            )
            loads[at] = load

    def size(item: tuple[str, list[LocationLoad]]) -> tuple[int, int, str]:
        units = [each.units for each in item[1]]
        return -max(units), -sum(units), item[0]

    return sorted(found.items(), key=size)[:most]


def load_grids(report: Report, most: int) -> tuple[Grid, ...]:
    """Return units and orders of the busiest locations; the rest is one row."""
    shown = busiest(report, most)
    count = len({each.location_id for one in report.outcomes for each in one.loads})
    if not shown:
        return ()
    unit_rows = [_row(name, [each.units for each in loads]) for name, loads in shown]
    order_rows = [_row(name, [each.orders for each in loads]) for name, loads in shown]
    rest = count - len(shown)
    if rest:
        # Units only: an order that ships from two locations counts at both.
        of_rest = [
            sum(load.units for load in outcome.loads)
            - sum(loads[at].units for _, loads in shown)
            for at, outcome in enumerate(report.outcomes)
        ]
        unit_rows.append(_row(f"{rest:,} others", of_rest))
    columns = _columns(report)
    return (
        Grid("Units by location", "location", columns, tuple(unit_rows)),
        Grid("Orders by location", "location", columns, tuple(order_rows)),
    )


def kept_grid(report: Report) -> Grid | None:
    """Return why orders were not changed; None if no reason is known."""
    if not report.kept:
        return None
    rows = (Row(each.reason, (f"{each.count:,}",)) for each in report.kept)
    return Grid("Unchanged orders", "reason", ("orders",), tuple(rows))


def series_grid(report: Report) -> Grid | None:
    """Return value, bound and gap over time: first, last and evenly between."""
    points = report.series
    if not points:
        return None
    last = len(points) - 1
    parts = min(last, SERIES_ROWS - 1)
    rows = []
    for at in range(parts + 1):
        each = points[at * last // parts if parts else 0]
        gap = "" if each.value is None else gap_text(each.value, each.bound)
        values = (_or_dash(each.value), _or_dash(each.bound), gap or "-")
        rows.append(Row(f"{each.seconds:,.1f} s", values))
    columns = ("shipments", "bound", "gap")
    return Grid("Shipments over time", "after", columns, tuple(rows))


def phases_grid(report: Report) -> Grid | None:
    """Return the seconds of each phase."""
    if not report.phases:
        return None
    rows = (Row(each.name, (f"{each.seconds:,.1f}",)) for each in report.phases)
    return Grid("Time", "phase", ("seconds",), tuple(rows))


def sentences(report: Report) -> list[str]:
    """Return the sentences that explain the numbers."""
    found = [_compared(report.base, each) for each in report.outcomes[1:]]
    found += _proof(report)
    if report.conflicts:
        found.append(
            f"Stock changed during the run: {_some(report.conflicts, 'order')} had a"
            " conflict."
        )
    return found


def _compared(base: RoutingOutcome, other: RoutingOutcome) -> str:
    shipments = other.shipments - base.shipments
    parts = ["the same number of shipments"]
    if shipments:
        word = "more" if shipments > 0 else "fewer"
        parts = [f"{_some(abs(shipments), f'{word} shipment')}"]
    parts.append(f"{_some(other.moved_orders, 'order')} moved")
    parts.append(f"{other.gained_orders:,} gained and {other.lost_orders:,} lost")
    return f"{other.name}, compared with {base.name}: {', '.join(parts)}."


def _proof(report: Report) -> list[str]:
    bound = report.bound
    if bound is None:
        return []
    complete = _some(bound.complete_orders, "order")
    lines = [
        f"No plan that completes {complete} has fewer than {bound.shipments:,} "
        f"shipments ({bound.source})."
    ]
    removable, removed = report.removable_shipments, report.removed_shipments
    if removable is None:
        lines.append(
            f"{report.base.name} completes {report.base.complete_orders:,}, so the "
            "number of removable shipments is unknown."
        )
    elif not removable:
        lines.append(f"{report.base.name} is optimal: no shipment can be removed.")
    else:
        lines.append(
            f"{report.base.name} has {report.base.shipments:,} shipments: at most "
            f"{removable:,} can be removed; {removed:,} were "
            f"({percent(removed, removable, 1, up=False)})."
        )
    gap = report.gap_shipments
    if gap is not None and bound.shipments > 0:
        lines.append(
            "The result is optimal."
            if not gap
            else f"The result is at most {_some(gap, 'shipment')} from optimal: a "
            f"gap of {percent(gap, bound.shipments, 2, up=True)}."
        )
    return lines


def gap_text(value: int, bound: int | None) -> str:
    """Return (value - bound) / bound in percent; empty if there is no bound."""
    if bound is None or bound <= 0:
        return ""
    return percent(value - bound, bound, 2, up=True)


def percent(part: int, whole: int, digits: int, *, up: bool) -> str:
    """Return a share in percent, rounded against us.

    A gap is rounded ``up``, an achievement down.
    """
    scale = 10**digits
    share = -(-100 * scale * part // whole) if up else 100 * scale * part // whole
    value, fraction = divmod(abs(share), scale)
    return f"{MINUS if share < 0 else ''}{value:,}.{fraction:0{digits}d} %"


def signed(number: int) -> str:
    """Return a difference with its sign; empty for 0."""
    if not number:
        return ""
    return f"{'+' if number > 0 else MINUS}{abs(number):,}"


def _columns(report: Report) -> tuple[str, ...]:
    names = tuple(each.name for each in report.outcomes)
    return (*names, "change") if len(names) == 2 else names


def _row(label: str, values: Sequence[int]) -> Row:
    """Return a row of numbers; two are followed by their difference."""
    texts = [f"{each:,}" for each in values]
    if len(values) == 2:
        texts.append(signed(values[1] - values[0]))
    return Row(label, tuple(texts))


def _some(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _or_dash(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"
