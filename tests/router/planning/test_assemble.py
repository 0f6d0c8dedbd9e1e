"""Solutions in the order's words; pieces are written down, not solved for."""

import pytest

from availability.memory_stock import MemoryStock
from router.errors import SolverError
from router.model import (
    EliminationFilter,
    Order,
    PlanStatus,
    RoutingPlan,
    RoutingPolicy,
    Term,
    UnassignedReason,
)
from router.optimize.problem import Piece, Solution
from router.planning.assemble import PlanMeta, accept, make_plan
from router.policies import DEFAULT, PRESETS
from tests.builders import (
    PARIS,
    SEED,
    built,
    kit,
    lane,
    line,
    only,
    order,
    picked,
    policy,
    stock,
)

SHELF = stock(SEED)


def plan(
    wanted: Order,
    *pieces: tuple[int, int, int],
    shelf: MemoryStock = SHELF,
    by: RoutingPolicy = PRESETS[DEFAULT],
) -> RoutingPlan:
    """Return the plan of (location, line, units), in that order."""
    solution = Solution(tuple(Piece(*each) for each in pieces), "by hand")
    judged = accept(built(wanted, shelf, by), solution)
    return make_plan(judged, dict.fromkeys(judged.short, UnassignedReason.CAPACITY))


def reasons(made: RoutingPlan) -> list[str]:
    return [each.reason for each in made.shipments]


def test_says_who_ships_what_by_shipment_then_line() -> None:
    # Laval ships two lines, Montréal one: Laval is busier, though last in rank.
    made = plan(order("shirt", "hat:2", "shoes:3"), (0, 1, 2), (2, 0, 1), (2, 2, 3))

    rows = [(each.line_id, each.location_id, each.quantity, each.shipment)
            for each in made.assignments]  # fmt: skip
    assert rows == [
        ("shirt", "laval", 1, 0),
        ("shoes", "laval", 3, 0),
        ("hat", "montreal", 2, 1),
    ]
    assert [each.origin_id for each in made.shipments] == ["laval", "montreal"]
    assert [each.location_ids for each in made.shipments] == [("laval",), ("montreal",)]
    assert [each.line_count for each in made.shipments] == [2, 1]
    assert [each.unit_count for each in made.shipments] == [4, 2]
    assert made.status is PlanStatus.FULL
    assert made.unassigned == ()


@pytest.mark.parametrize(
    ("pieces", "origins"),
    [
        # One line whole each: more units first.
        (((0, 0, 1), (1, 1, 2), (2, 2, 3)), ["laval", "sherbrooke", "montreal"]),
        # A split line is whole nowhere, however many units: its parts come last.
        (((0, 0, 1), (1, 1, 1), (1, 2, 3), (2, 1, 1)),
         ["sherbrooke", "montreal", "laval"]),
        # As many lines and as many units: rank.
        (((0, 1, 1), (1, 1, 1)), ["montreal", "sherbrooke"]),
    ],
)  # fmt: skip
def test_busiest_is_lines_then_units_then_rank(
    pieces: tuple[tuple[int, int, int], ...], origins: list[str]
) -> None:
    made = plan(order("shirt", "hat:2", "shoes:3"), *pieces)

    assert [each.origin_id for each in made.shipments] == origins


def test_rooms_of_one_site_are_one_shipment() -> None:
    rooms = {name: {"origin_id": "site"} for name in ("montreal", "laval")}
    shelf = stock(SEED, **rooms)

    made = plan(order("shirt:2", "hat"), (0, 0, 1), (0, 1, 1), (2, 0, 1), shelf=shelf)

    (shipment,) = made.shipments
    assert shipment.origin_id == "site"
    assert shipment.location_ids == ("montreal", "laval")
    assert (shipment.line_count, shipment.unit_count) == (2, 3)
    assert shipment.reason == "its rooms together ship the whole order"
    assert [(each.line_id, each.location_id) for each in made.assignments] == [
        ("shirt", "montreal"),
        ("shirt", "laval"),
        ("hat", "montreal"),
    ]


def test_what_nobody_ships_is_listed_in_line_order() -> None:
    made = plan(order("hat:30", "shirt", "shoes:26"), (2, 1, 1))

    assert made.status is PlanStatus.PARTIAL
    assert [(each.line_id, each.sku, each.quantity, each.reason)
            for each in made.unassigned] == [
        ("hat", "hat", 30, UnassignedReason.CAPACITY),
        ("shoes", "shoes", 26, UnassignedReason.CAPACITY),
    ]  # fmt: skip


def test_a_plan_that_ships_nothing_is_an_answer() -> None:
    made = plan(order("hat"))

    assert made.status is PlanStatus.NONE
    assert (made.assignments, made.shipments) == ((), ())
    assert made.unassigned[0].quantity == 1


def test_carries_what_it_was_made_from_and_how() -> None:
    rule = only(excluded_location_ids=frozenset(["sherbrooke"]))
    shelf = stock(SEED)
    shelf.grid().version = 41
    judged = accept(
        built(order("hat"), shelf, rule), Solution((Piece(1, 0, 1),), "greedy", {})
    )

    made = make_plan(judged, {}, PlanMeta(7, "p1", 2))

    assert made.eliminated == {"sherbrooke": EliminationFilter.EXCLUDED}
    assert made.stock_version == 41
    assert (made.engine, made.solve_micros) == ("greedy", 7)
    assert (made.plan_id, made.conflict_count) == ("p1", 2)
    assert made.policy == DEFAULT
    assert made.objectives == judged.objectives
    # Laval is second in rank, and no bound says that Montréal could not do it.
    assert not made.proven


@pytest.mark.parametrize(
    "pieces",
    [
        [(0, 0, 4)],  # Montréal has three hats
        [(1, 0, 5), (2, 0, 1)],  # five were ordered
        [(1, 0, 0)],
    ],
)
def test_trusts_no_engine(pieces: list[tuple[int, int, int]]) -> None:
    with pytest.raises(SolverError, match="by hand: "):
        plan(order("hat:5"), *pieces)


# --- Sentences ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "pieces", "said"),
    [
        pytest.param(
            order("shirt:11", "hat:4"), [(2, 0, 11), (2, 1, 4)],
            ["the only location that can ship the whole order"],
            id="only_laval_has_eleven_shirts",
        ),
        pytest.param(
            order("hat:4", "shoes"), [(1, 0, 4), (1, 1, 1)],
            ["first in rank of 2 locations that can ship the whole order"],
            id="montreal_has_but_three_hats",
        ),
        pytest.param(
            order("hat:4", "shoes"), [(2, 0, 4), (2, 1, 1)],
            ["one of 2 locations that can ship the whole order"],
            id="laval_is_not_first_and_nothing_else_is_known",
        ),
        pytest.param(
            order("shirt", "hat:12", "shoes:2"),
            [(0, 1, 2), (2, 0, 1), (2, 1, 10), (2, 2, 2)],
            [
                "ships 2 lines whole: the most any location can",
                "the last 2 of 12 units of hat, which no single location has whole",
            ],
            id="row_four_of_the_seed",
        ),
        pytest.param(
            order("shirt:11", line("shirt:4", line_id="more")), [(0, 1, 4), (2, 0, 11)],
            [
                "the only location that can ship all 11 units of shirt",
                "first in rank of 2 locations that can ship all 4 units of shirt",
            ],
            id="one_sku_on_two_lines",
        ),
        pytest.param(
            order("shirt:11", "hat:4"), [(1, 1, 4), (2, 0, 11)],
            [
                "the only location that can ship all 11 units of shirt",
                "first in rank of 2 locations that can ship all 4 units of hat",
            ],
            id="a_line_each",
        ),
        pytest.param(
            order("shirt:1", "hat:1", "shoes:1"), [(0, 0, 1), (0, 1, 1), (1, 2, 1)],
            [
                "first in rank of 2 locations that can ship these 2 lines",
                "one of 3 locations that can ship shoes",
            ],
            id="any_location_can_ship_three_lines",
        ),
        pytest.param(
            order("hat:12"), [(1, 0, 10), (2, 0, 2)],
            [
                "10 of 12 units of hat, which no single location has whole",
                "the last 2 of 12 units of hat, which no single location has whole",
            ],
            id="a_split_line",
        ),
        pytest.param(
            order("hat:30"), [(0, 0, 3), (1, 0, 10), (2, 0, 10)],
            [
                "10 of 30 units of hat, which no single location has whole",
                "10 of 30 units of hat, which no single location has whole",
                "3 of 30 units of hat, which no single location has whole",
            ],
            id="not_the_last_when_seven_are_missing",
        ),
        pytest.param(
            order("hat:10"), [(1, 0, 10)],
            ["first in rank of 2 locations that can ship the whole order"],
            id="to_the_last_unit",
        ),
        pytest.param(
            order("hat:4"), [(1, 0, 2), (2, 0, 2)],
            ["ships 2 of 4 units of hat", "ships 2 of 4 units of hat"],
            id="split_without_need",
        ),
    ],
)  # fmt: skip
def test_gives_each_shipment_a_reason(
    wanted: Order, pieces: list[tuple[int, int, int]], said: list[str]
) -> None:
    assert reasons(plan(wanted, *pieces)) == said


def test_the_only_one_that_has_any() -> None:
    shelf = stock({"a": {"hat": 2, "cap": 5}, "b": {"cap": 5}})

    made = plan(order("hat:5", "cap:6"), (0, 0, 2), (0, 1, 1), (1, 1, 5), shelf=shelf)

    assert reasons(made) == [
        "the only location that can ship any hat",
        "the last 5 of 6 units of cap, which no single location has whole",
    ]


@pytest.mark.parametrize(
    ("term", "said"),
    [
        (Term.DISTANCE_METERS, "the nearest"),
        (Term.COST_MICROS, "the cheapest"),
        (Term.LATENESS_MINUTES, "the least late"),
        (Term.WORKLOAD, "the least busy"),
    ],
)
def test_says_what_sets_the_second_in_rank_apart(term: Term, said: str) -> None:
    near = {"latitude": 48.9, "longitude": 2.4}
    far = {
        "latitude": 45.0,
        "longitude": 2.4,
        "workload_minutes": 9,
        "unit_cost_micros": 1,
    }
    shelf = stock({"a": {"hat": 5}, "b": {"hat": 5}, "c": {"hat": 1}}, a=far, b=near)
    wanted = order(
        "hat:2",
        destination=PARIS,
        lanes=(lane("a", arrival_minutes=20), lane("b", arrival_minutes=10)),
        promised_minutes=5,
    )

    best = plan(wanted, (1, 0, 2), shelf=shelf, by=policy(term))
    worst = plan(wanted, (0, 0, 2), shelf=shelf, by=policy(term))

    assert reasons(best) == [f"{said} of 2 locations that can ship the whole order"]
    # It is first in rank, which is true, if not why.
    assert reasons(worst) == [
        "first in rank of 2 locations that can ship the whole order"
    ]


@pytest.mark.parametrize(("best", "said"), [("c", "one"), ("b", "the nearest")])
def test_calls_nothing_best_that_is_not(best: str, said: str) -> None:
    here = {"latitude": 48.9, "longitude": 2.4}
    there = {"latitude": 45.0, "longitude": 2.4}
    shelf = stock(
        {"a": {"hat": 5}, "b": {"hat": 5}, "c": {"hat": 5}},
        **{"a": there, "b": there, "c": there, best: here},
    )
    wanted = order("hat:2", destination=PARIS)

    made = plan(wanted, (1, 0, 2), shelf=shelf, by=policy(Term.DISTANCE_METERS))

    assert reasons(made) == [f"{said} of 3 locations that can ship the whole order"]


def test_calls_nothing_best_where_all_are_the_same() -> None:
    shelf = stock({"a": {"hat": 5}, "b": {"hat": 5}})

    made = plan(order("hat"), (1, 0, 1), shelf=shelf, by=PRESETS["cheapest"])

    assert reasons(made) == ["one of 2 locations that can ship the whole order"]


def test_rooms_that_ship_a_line_each() -> None:
    rooms = {name: {"origin_id": "site"} for name in ("montreal", "laval")}
    shelf = stock(SEED, **rooms)

    made = plan(order("hat", "shirt", "shoes:2"), (0, 0, 1), (1, 2, 2), (2, 1, 1),
                shelf=shelf)  # fmt: skip

    assert reasons(made)[0] == "its rooms together ship 2 lines whole"
    # As busy as a location between them: a site stands where its first room does.
    made = plan(order("hat:2", "shoes:2"), (0, 0, 1), (1, 1, 2), (2, 0, 1), shelf=shelf)
    assert [each.origin_id for each in made.shipments] == ["site", "sherbrooke"]


def test_room_for_just_the_line() -> None:
    shelf = stock(SEED, sherbrooke={"capacity_units": 3})

    made = plan(order("hat:3", "shoes:3"), (1, 0, 3), (2, 1, 3), shelf=shelf)

    assert reasons(made)[0] == "one of 3 locations that can ship all 3 units of hat"


def test_what_was_picked_needs_no_other_reason() -> None:
    wanted = order("hat:4", frozen=(picked("hat", "montreal", 2),))

    made = plan(wanted, (0, 0, 2), (1, 0, 2))

    assert reasons(made) == ["already picked there", "ships 2 of 4 units of hat"]


def test_refusals_and_capacities_count_as_not_able() -> None:
    shelf = stock(SEED, sherbrooke={"capacity_units": 3})
    refused = frozenset([("hat", "montreal")])

    made = plan(order("hat", "shoes:3", rejected=refused), (2, 0, 1), (2, 1, 3),
                shelf=shelf)  # fmt: skip

    assert reasons(made) == ["the only location that can ship the whole order"]


def test_a_kit_without_sku_goes_by_its_line() -> None:
    wanted = order(
        line("", line_id="box", quantity=2, components=kit("", hat=6).components)
    )
    made = plan(wanted, (1, 0, 1), (2, 0, 1))

    assert reasons(made) == [
        "1 of 2 units of box, which no single location has whole",
        "the last 1 of 2 units of box, which no single location has whole",
    ]
