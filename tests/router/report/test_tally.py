"""Reports: numbers that agree with each other, and orders that make them."""

import json
from typing import Any

import pytest

from router.pipeline import Router
from router.report.model import Count, LocationLoad, Report, RoutingOutcome
from router.report.tally import ShippedUnits, Tally
from tests.builders import SEED, line, order, stock
from tests.router.report.reports import outcome, rerouting


def piece(line_id: str, place: str, units: int = 1, origin: str = "") -> ShippedUnits:
    return ShippedUnits(line_id, origin or place, place, units)


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
        self, outcomes: tuple[RoutingOutcome, ...], message: str
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
            (("title",), 3, "title: Input should be a valid string"),
            (("conflicts",), True, "conflicts: Input should be a valid integer"),
            (("conflicts",), 1.0, "conflicts: Input should be a valid integer"),
            (("outcomes",), {}, "outcomes: Input should be a valid array"),
            (("outcomes", 1, "loads", 0, "units"), "2", r"outcomes\[1\].loads\[0\]"),
            (
                ("outcomes", 0, "colour"),
                "red",
                r"outcomes\[0\].colour: Unexpected keyword",
            ),
            (("bound",), 3, "bound: Input should be an object"),
            (("version",), 2, "version: Input should be 1"),
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
            ("[]", "report: Input should be an object"),
            ("{", "report: Invalid JSON"),
            ('{"version": 1}', "title: Field required"),
            ("[" * 100_000, "report: Invalid JSON: recursion limit"),
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

        assert tally.outcome() == RoutingOutcome(
            name="after",
            orders=3,
            complete_orders=1,
            shipments=3,
            split_orders=1,
            split_lines=1,
            assigned_units=10,
            unassigned_units=12,
            shipments_per_order=(1, 1, 1),
            loads=(
                LocationLoad("a", 1, 6),
                LocationLoad("b", 1, 3),
                LocationLoad("c", 1, 1),
            ),
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
