"""What a report's numbers are said to mean."""

from dataclasses import replace

import pytest

from router.report.model import Count, LocationLoad, Point, Report
from router.report.words import (
    figures,
    gap_text,
    load_grids,
    sentences,
    series_grid,
    spread,
)
from tests.router.report.reports import outcome, rerouting


def test_figures_of_two_have_their_change() -> None:
    grid = figures(rerouting())
    rows = {row.label: row.values for row in grid.rows}

    assert grid.columns == ("before", "after", "change")
    assert rows["shipments"] == ("104", "101", "\N{MINUS SIGN}3")
    assert rows["orders"] == ("100", "100", "")
    assert "orders refused" not in rows


def test_reasons_of_any_outcome_are_rows() -> None:
    short = {"unassigned_units": 3, "unassigned": (Count("out_of_stock", 3),)}
    report = rerouting(outcomes=(outcome("a"), outcome("b", **short)))
    rows = {row.label: row.values for row in figures(report).rows}

    assert rows["unassigned: out of stock"] == ("0", "3", "+3")


def test_many_shipments_are_told_together() -> None:
    wide = outcome("a", 0, 5, 0, 0, 0, 0, 2, 0, 3)
    grid = spread(Report(title="", outcomes=(wide,)))

    assert grid.rows[-1] == ("6 or more", ("5",))
    assert [row.label for row in grid.rows[:2]] == ["1", "2"]


def test_orders_that_nobody_ships_are_told_where_there_are_any() -> None:
    outcomes = (outcome("a", 2, 3), outcome("b", 0, 5))
    grid = spread(Report(title="", outcomes=outcomes))

    assert grid.rows == (
        ("0", ("2", "0", "\N{MINUS SIGN}2")),
        ("1", ("3", "5", "+2")),
    )


def test_no_orders_make_a_report_too() -> None:
    nothing = outcome("a", 0, shipments_per_order=())

    assert spread(Report(title="", outcomes=(nothing,))).rows == ()


def test_the_rest_of_the_locations_is_told_together() -> None:
    loads = tuple(LocationLoad(f"l{n}", 1, n) for n in range(1, 6))
    report = Report(title="", outcomes=(outcome("a", loads=loads),))
    units, orders = load_grids(report, 2)

    assert [(row.label, *row.values) for row in units.rows] == [
        ("l5", "5"),
        ("l4", "4"),
        ("3 others", "6"),
    ]
    assert [row.label for row in orders.rows] == ["l5", "l4"]


def test_says_what_was_there_to_save() -> None:
    assert sentences(rerouting()) == [
        "after, compared with before: 3 fewer shipments, 3 orders moved, 0 gained and "
        "0 lost.",
        "No plan that completes 100 orders has fewer than 100 shipments (LP prices).",
        "before has 104 shipments: at most 4 can be removed; 3 were (75.0 %).",
        "The result is at most 1 shipment from optimal: a gap of 1.00 %.",
        "Stock changed during the run: 1 order had a conflict.",
    ]


def test_says_when_nothing_was_there_to_save() -> None:
    best = outcome("before", 0, 100)
    report = rerouting(outcomes=(best, replace(best, name="after")), conflicts=0)

    assert sentences(report)[2:] == [
        "before is optimal: no shipment can be removed.",
        "The result is optimal.",
    ]


@pytest.mark.parametrize(
    ("value", "bound", "text"),
    [
        (100, 100, "0.00 %"),
        (100_001, 100_000, "0.01 %"),  # a gap is not made smaller
        (113, 100, "13.00 %"),
        (99, 100, "\N{MINUS SIGN}1.00 %"),
        (5, None, ""),
        (5, 0, ""),
    ],
)
def test_a_gap(value: int, bound: int | None, text: str) -> None:
    assert gap_text(value, bound) == text


def test_a_long_series_keeps_its_ends() -> None:
    points = tuple(Point(n / 1, 200 - n, 100) for n in range(100))
    grid = series_grid(rerouting(series=points))

    assert grid is not None
    labels = [row.label for row in grid.rows]
    assert (labels[0], labels[-1], len(labels)) == ("0.0 s", "99.0 s", 12)
