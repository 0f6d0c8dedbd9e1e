"""Reports: numbers that agree with each other, and what they are said to mean."""

import json
from dataclasses import replace
from typing import Any

import pytest

from router.pipeline import Router
from router.report.model import Bound, Count, Load, Outcome, Phase, Point, Report
from router.report.tally import Piece, Tally
from router.report.words import (
    figures,
    gap_text,
    load_grids,
    sentences,
    series_grid,
    spread,
)
from tests.builders import SEED, line, order, stock


def outcome(name: str = "after", *spread: int, **more: Any) -> Outcome:
    """Return an outcome of orders with 0, 1, 2... shipments, all complete."""
    counts = spread or (0, 4)
    given: dict[str, Any] = {
        "name": name,
        "orders": sum(counts),
        "complete_orders": sum(counts[1:]),
        "shipments": sum(n * each for n, each in enumerate(counts)),
        "split_orders": sum(counts[2:]),
        "split_lines": 0,
        "assigned_units": 9,
        "unassigned_units": 0,
        "shipments_per_order": counts,
    }
    return Outcome(**{**given, **more})


def rerouting(**more: Any) -> Report:
    """Return 104 shipments made 101, with a bound of 100."""
    given: dict[str, Any] = {
        "title": "Re-routing",
        "outcomes": (
            outcome("before", 0, 96, 4, loads=(Load("dc", 60, 70),)),
            outcome("after", 0, 99, 1, loads=(Load("shop", 1, 2),), moved_orders=3),
        ),
        "bound": Bound(100, 100, "LP prices"),
        "conflicts": 1,
        "kept": (Count("cap on moves", 2),),
        "series": (Point(0.5, None, 90), Point(1.0, 104, 100), Point(2.0, 101, 100)),
        "phases": (Phase("repair", 1.5),),
        "notes": ("Nothing else.",),
        "made_at": "2026-11-22",
    }
    return Report(**{**given, **more})


def piece(line_id: str, place: str, units: int = 1, origin: str = "") -> Piece:
    return Piece(line_id, origin or place, place, units)


class TestModel:
    @pytest.mark.parametrize(
        ("more", "message"),
        [
            ({"orders": 5}, "is of 4 orders, not of 5"),
            ({"shipments": 5}, "has 4 shipments, not 5"),
            ({"split_orders": 1}, "0 orders have two shipments or more, not 1"),
            ({"complete_orders": 5}, "not 0 to 4"),
            ({"moved_orders": -1}, "not 0 to 4"),
            ({"unassigned_units": -1}, "negative"),
        ],
    )
    def test_numbers_that_contradict_each_other_are_refused(
        self, more: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(ValueError, match=message):
            outcome("after", **more)

    @pytest.mark.parametrize(
        ("outcomes", "message"),
        [
            ((), "1 to 12 outcomes, got 0"),
            ((outcome("a"), outcome("a")), "one name"),
            ((outcome("a"), outcome("b", 0, 5)), "different numbers of orders"),
            (tuple(outcome(str(n)) for n in range(13)), "got 13"),
        ],
    )
    def test_outcomes_that_do_not_compare_are_refused(
        self, outcomes: tuple[Outcome, ...], message: str
    ) -> None:
        with pytest.raises(ValueError, match=message):
            Report(title="", outcomes=outcomes)

    def test_what_was_removed_and_what_could_be(self) -> None:
        report = rerouting()

        assert report.removed_shipments == 3
        assert report.removable_shipments == 4
        assert report.gap_shipments == 1

    def test_a_bound_says_nothing_of_another_number_of_complete_orders(self) -> None:
        before = outcome("before", 1, 99)
        after = outcome("after", 0, 99, 1)
        report = rerouting(outcomes=(before, after))

        assert report.removable_shipments is None
        assert report.gap_shipments == 1

    def test_json_and_back(self) -> None:
        report = rerouting()
        text = report.to_json()

        assert Report.from_json(text) == report
        assert Report.from_json(text).to_json() == text
        assert "\n" not in text
        assert json.loads(text)["derived"] == {
            "removed_shipments": 3,
            "removable_shipments": 4,
            "gap_shipments": 1,
        }

    @pytest.mark.parametrize(
        ("at", "value", "message"),
        [
            (("title",), 3, "title: must be str, got '3'"),
            (("conflicts",), True, "conflicts: must be int"),
            (("conflicts",), 1.0, "conflicts: must be int"),
            (("outcomes",), {}, "outcomes: must be a list"),
            (("outcomes", 1, "loads", 0, "units"), "2", r"outcomes\[1\].loads\[0\]"),
            (("outcomes", 0, "colour"), "red", r"outcomes\[0\].colour: no such field"),
            (("bound",), 3, "bound: must be an object"),
            (("version",), 2, "version: must be 1"),
        ],
    )
    def test_what_is_no_report_is_refused_with_its_place(
        self, at: tuple[str | int, ...], value: object, message: str
    ) -> None:
        found = json.loads(rerouting().to_json())
        inner = found
        for key in at[:-1]:
            inner = inner[key]
        inner[at[-1]] = value

        with pytest.raises(ValueError, match=message):
            Report.from_json(json.dumps(found))

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("[]", "not a JSON object"),
            ("{", "Expecting"),
            ('{"version": 1}', "title: must be set"),
            ("[" * 100_000, "nested too deeply"),
        ],
    )
    def test_other_json_is_refused(self, text: str, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            Report.from_json(text)


class TestTally:
    def test_adds_up(self) -> None:
        tally = Tally("after")
        tally.add([piece("1", "a", 2), piece("1", "b", 3), piece("2", "a", 4)])
        tally.add([piece("1", "c")], 5, {"capacity": 5}, proven=False)
        tally.add_refused(7, {"max_per_order": 7})

        assert tally.outcome() == Outcome(
            name="after",
            orders=3,
            complete_orders=1,
            shipments=3,
            split_orders=1,
            split_lines=1,
            assigned_units=10,
            unassigned_units=12,
            shipments_per_order=(1, 1, 1),
            loads=(Load("a", 1, 6), Load("b", 1, 3), Load("c", 1, 1)),
            unassigned=(Count("capacity", 5), Count("max_per_order", 7)),
            refused_orders=1,
            unproven_orders=1,
        )

    def test_rooms_of_one_site_are_one_shipment(self) -> None:
        tally = Tally("after")
        tally.add([piece("1", "room1", 1, "site"), piece("1", "room2", 1, "site")])

        found = tally.outcome()
        assert (found.shipments, found.split_lines, len(found.loads)) == (1, 1, 2)

    def test_compares_order_by_order(self) -> None:
        before, after = Tally("before"), Tally("after")
        same = [piece("1", "a"), piece("2", "b")]
        before.add(same)
        after.add(same[::-1])  # the same, said otherwise
        before.add([piece("1", "a")], 1)
        after.add([piece("1", "a", 2)])  # moved and gained
        before.add([piece("1", "a")])
        after.add([], 1)  # moved and lost
        before.add([piece("1", "a")], 1)
        after.add([piece("1", "b")], 1)  # moved

        found = after.outcome(before)
        assert (found.moved_orders, found.gained_orders, found.lost_orders) == (3, 1, 1)

    def test_other_orders_do_not_compare(self) -> None:
        before, after = Tally("before"), Tally("after")
        after.add([])

        with pytest.raises(ValueError, match="tallies of 0 and 1 orders"):
            after.outcome(before)

    def test_takes_plans_as_the_router_makes_them(self) -> None:
        """Hats are at three places, 3, 10 and 10 of them."""
        router = Router(stock(SEED))
        tally = Tally("plans")
        tally.add_plan(router.evaluate(order(line("hat:12"), line("shirt:1"))))
        tally.add_plan(router.evaluate(order(line("hat:24"))))

        found = tally.outcome()
        assert found.shipments_per_order == (0, 0, 1, 1)
        assert (found.split_lines, found.complete_orders) == (2, 1)
        assert (found.assigned_units, found.unassigned_units) == (36, 1)
        assert found.unassigned == (Count("insufficient_stock", 1),)


class TestWords:
    def test_figures_of_two_have_their_change(self) -> None:
        grid = figures(rerouting())
        rows = {row.label: row.values for row in grid.rows}

        assert grid.columns == ("before", "after", "change")
        assert rows["shipments"] == ("104", "101", "\N{MINUS SIGN}3")
        assert rows["orders"] == ("100", "100", "")
        assert "orders refused" not in rows

    def test_reasons_of_any_outcome_are_rows(self) -> None:
        short = {"unassigned_units": 3, "unassigned": (Count("out_of_stock", 3),)}
        report = rerouting(outcomes=(outcome("a"), outcome("b", **short)))
        rows = {row.label: row.values for row in figures(report).rows}

        assert rows["unassigned: out of stock"] == ("0", "3", "+3")

    def test_many_shipments_are_told_together(self) -> None:
        wide = outcome("a", 0, 5, 0, 0, 0, 0, 2, 0, 3)
        grid = spread(Report(title="", outcomes=(wide,)))

        assert grid.rows[-1] == ("6 or more", ("5",))
        assert [row.label for row in grid.rows[:2]] == ["1", "2"]

    def test_orders_that_nobody_ships_are_told_where_there_are_any(self) -> None:
        outcomes = (outcome("a", 2, 3), outcome("b", 0, 5))
        grid = spread(Report(title="", outcomes=outcomes))

        assert grid.rows == (
            ("0", ("2", "0", "\N{MINUS SIGN}2")),
            ("1", ("3", "5", "+2")),
        )

    def test_no_orders_make_a_report_too(self) -> None:
        nothing = outcome("a", 0, shipments_per_order=())

        assert spread(Report(title="", outcomes=(nothing,))).rows == ()

    def test_the_rest_of_the_locations_is_told_together(self) -> None:
        loads = tuple(Load(f"l{n}", 1, n) for n in range(1, 6))
        report = Report(title="", outcomes=(outcome("a", loads=loads),))
        units, orders = load_grids(report, 2)

        assert [(row.label, *row.values) for row in units.rows] == [
            ("l5", "5"),
            ("l4", "4"),
            ("3 others", "6"),
        ]
        assert [row.label for row in orders.rows] == ["l5", "l4"]

    def test_says_what_was_there_to_save(self) -> None:
        assert sentences(rerouting()) == [
            "after has 3 fewer shipments, 3 orders moved, 0 gained and 0 lost, "
            "compared with before.",
            "No plan that completes 100 orders has fewer than 100 shipments "
            "(LP prices).",
            "Of 104 before, at most 4 could be removed; 3 were (75.0 %).",
            "What was found is at most 1 shipment from optimal: a gap of 1.00 %.",
            "Others took stock meanwhile: 1 order met a conflict.",
        ]

    def test_says_when_nothing_was_there_to_save(self) -> None:
        best = outcome("before", 0, 100)
        report = rerouting(outcomes=(best, replace(best, name="after")), conflicts=0)

        assert sentences(report)[2:] == [
            "Of before, none could be removed: it is optimal.",
            "What was found is optimal.",
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
    def test_a_gap(self, value: int, bound: int | None, text: str) -> None:
        assert gap_text(value, bound) == text

    def test_a_long_series_keeps_its_ends(self) -> None:
        points = tuple(Point(n / 1, 200 - n, 100) for n in range(100))
        grid = series_grid(rerouting(series=points))

        assert grid is not None
        labels = [row.label for row in grid.rows]
        assert (labels[0], labels[-1], len(labels)) == ("0.0 s", "99.0 s", 12)
