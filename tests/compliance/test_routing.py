"""What the seeds' systems print of routing, and what is decided where they err.

Lightspeed (seed 002): section C2; Altazion (seed 000): A7; Adobe (seed 003): D5.
Every plan is made by the engines that make all others.
"""

from collections.abc import Mapping

import pytest

from availability.memory_stock import MemoryStock
from availability.model import Location, LocationId, Sku, StockRecord
from availability.setup.channels import Channel, SupplyRule
from availability.setup.setup import Setup
from router.model import (
    Destination,
    EliminationFilter,
    Incomplete,
    Order,
    PlanStatus,
    RoutingPlan,
    RoutingPolicy,
    SplitRung,
    UnassignedReason,
)
from router.optimize.limits import SolveLimits
from router.pipeline import RouteOptions, Router
from router.policies import DEFAULT, PRESETS
from tests.builders import SEED, line, order, policy, stock

Units = dict[str, dict[str, int]]

OPTIONS = RouteOptions(SolveLimits(wall_seconds=20.0))
"""So much that a busy machine gives the same reasons."""


def made(
    wanted: Order, shelf: MemoryStock, by: RoutingPolicy = PRESETS[DEFAULT]
) -> RoutingPlan:
    return Router(shelf).evaluate(wanted, by, OPTIONS)


def shipped(plan: RoutingPlan) -> Units:
    """Return the units by location and line."""
    found: Units = {}
    for each in plan.assignments:
        found.setdefault(each.location_id, {})[each.line_id] = each.quantity
    return found


def unassigned(plan: RoutingPlan) -> dict[str, tuple[int, UnassignedReason]]:
    return {each.line_id: (each.quantity, each.reason) for each in plan.unassigned}


def values(plan: RoutingPlan) -> dict[str, int]:
    assert plan.proven
    return {each.name: each.value for each in plan.objectives}


# --- Lightspeed (seed 002) --------------------------------------------------------

OUTLETS = {"M": "montreal", "S": "sherbrooke", "L": "laval"}
ROWS = {
    1: {"shirt": 2, "hat": 1, "shoes": 1},
    2: {"shirt": 1, "hat": 5},
    3: {"hat": 5, "shoes": 2},
    4: {"shirt": 1, "hat": 12, "shoes": 2},
    5: {"shirt": 17, "hat": 6, "shoes": 6},
}
PRINTED: dict[int, Units] = {
    1: {"M": ROWS[1]},
    2: {"M": {"shirt": 1}, "S": {"hat": 5}},
    3: {"S": ROWS[3]},
    4: {"M": {"shirt": 1, "hat": 3, "shoes": 2}, "S": {"hat": 9}},
    5: {"L": {"shirt": 15, "hat": 6, "shoes": 6}, "M": {"shirt": 2}},
}


def ticked(outlets: str) -> MemoryStock:
    """Return the seed's stock, and a channel that some of its outlets feed."""
    include = frozenset(LocationId(OUTLETS[each]) for each in outlets)
    channel = Channel("web", (SupplyRule(include_ids=include),))
    shelf = stock(SEED)
    records = [
        StockRecord(LocationId(name), Sku(sku), units)
        for name, units_of in SEED.items()
        for sku, units in units_of.items()
    ]
    return MemoryStock(
        shelf.network().locations, records, Setup(channels={"web": channel})
    )


def bought(units: Mapping[str, int]) -> Order:
    lines = (line(f"{sku}:{count}") for sku, count in units.items())
    return order(*lines, channel_id="web")


def named(units: Units) -> Units:
    return {OUTLETS[each]: units_of for each, units_of in units.items()}


@pytest.mark.parametrize(
    ("row", "outlets"),
    [
        (1, "M"),
        (1, "MS"),
        (1, "ML"),
        (1, "MSL"),
        (2, "MS"),
        (3, "S"),
        (3, "MS"),
        (3, "SL"),
        (3, "MSL"),
        (4, "MS"),
        (5, "ML"),
        (5, "MSL"),
    ],
)
def test_lightspeed_c2_as_printed(row: int, outlets: str) -> None:
    """Each row under every set of ticked outlets for which its print can hold."""
    plan = made(bought(ROWS[row]), ticked(outlets))

    assert shipped(plan) == named(PRINTED[row])
    assert plan.status is PlanStatus.FULL
    assert plan.proven


@pytest.mark.parametrize(
    ("row", "outlets", "expected"),
    [
        # "One outlet if possible": the printed split breaks the vendor's first rule.
        (2, "MSL", {"L": ROWS[2]}),
        (2, "ML", {"L": ROWS[2]}),
        # Row 5's note gives the majority to Laval; then so it is in row 4.
        (4, "MSL", {"L": {"shirt": 1, "hat": 10, "shoes": 2}, "M": {"hat": 2}}),
        (4, "ML", {"L": {"shirt": 1, "hat": 10, "shoes": 2}, "M": {"hat": 2}}),
        (4, "SL", {"L": {"shirt": 1, "hat": 10, "shoes": 2}, "S": {"hat": 2}}),
        # The first of those that are ticked.
        (1, "SL", {"L": ROWS[1]}),
        (3, "ML", {"L": ROWS[3]}),
    ],
)
def test_lightspeed_c2_where_the_print_contradicts_its_rules(
    row: int, outlets: str, expected: Units
) -> None:
    """No set of outlets reproduces all five rows; the rules count, not the print."""
    plan = made(bought(ROWS[row]), ticked(outlets))

    assert shipped(plan) == named(expected)
    assert plan.proven


def test_lightspeed_c2_row_5_needs_laval() -> None:
    """Without it there are 10 shirts: the rest is said, and not promised."""
    plan = made(bought(ROWS[5]), ticked("MS"))

    assert shipped(plan) == named({"M": {"shirt": 10}, "S": {"hat": 6, "shoes": 6}})
    assert {line_id: units for line_id, (units, _) in unassigned(plan).items()} == {
        "shirt": 7
    }


@pytest.mark.parametrize("row", ROWS)
def test_lightspeed_c2_ranked_prefix_is_as_printed_in_every_row(row: int) -> None:
    """The one policy under which all five rows hold with all three outlets."""
    plan = made(bought(ROWS[row]), ticked("MSL"), PRESETS["ranked-prefix"])

    assert shipped(plan) == named(PRINTED[row])
    assert plan.proven


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("ranked-prefix", {"M": {"x": 2}, "S": {"x": 2}}),
        ("single-location-first", {"L": {"x": 4}}),
    ],
)
def test_lightspeed_c2_the_prefix_goes_before_a_line_in_one_piece(
    preset: str, expected: Units
) -> None:
    """What row 2 of the print must mean, and why it is not the default."""
    held = {"M": {"x": 2}, "S": {"x": 2}, "L": {"x": 4}}

    assert shipped(made(order("x:4"), stock(held), PRESETS[preset])) == expected


@pytest.mark.parametrize(
    ("hats", "expected", "missing"),
    [
        # Montréal has 3, Sherbrooke 10.
        (3, {"M": {"hat": 3}}, 0),
        (4, {"S": {"hat": 4}}, 0),
        (9, {"S": {"hat": 9}}, 0),
        (10, {"S": {"hat": 10}}, 0),
        (11, {"S": {"hat": 10}, "M": {"hat": 1}}, 0),
        (13, {"S": {"hat": 10}, "M": {"hat": 3}}, 0),
        (14, {"S": {"hat": 10}, "M": {"hat": 3}}, 1),
    ],
)
def test_lightspeed_c1_a_line_is_split_only_if_it_must_be(
    hats: int, expected: Units, missing: int
) -> None:
    plan = made(bought({"hat": hats}), ticked("MS"))

    assert shipped(plan) == named(expected)
    assert sum(each.quantity for each in plan.unassigned) == missing


@pytest.mark.parametrize(
    ("preset", "split_lines", "expected"),
    [
        # "Do not split a line if it can be avoided" goes before few outlets.
        ("single-location-first", 0, {"P": {"a": 2}, "Q": {"c": 2}, "R": {"b": 2}}),
        # Altazion's order: few shipments first.
        ("fewest-shipments", 1, {"P": {"a": 2, "b": 1}, "Q": {"b": 1, "c": 2}}),
    ],
)
def test_lightspeed_c2_lines_first_and_shipments_first_differ(
    preset: str, split_lines: int, expected: Units
) -> None:
    """The vendors rank the two goals differently: a policy says which counts more."""
    held = {
        "P": {"a": 2, "b": 1, "c": 0},
        "Q": {"a": 0, "b": 1, "c": 2},
        "R": {"a": 0, "b": 2, "c": 0},
    }
    wanted = order("a:2", "b:2", "c:2", destination=Destination(45.5, -73.5))

    plan = made(wanted, stock(held), PRESETS[preset])

    assert shipped(plan) == expected
    assert values(plan)["split_lines"] == split_lines
    assert values(plan)["shipments"] == len(expected)


# --- Altazion (seed 000) ----------------------------------------------------------

SATURATION = 100_000 - (102 * 1 + 582 * 5)
"""A7: of 100000, 102 carts of 1 and 582 orders of 5 leave 96988."""


@pytest.mark.parametrize(
    ("wanted", "missing"),
    [(SATURATION - 1, 0), (SATURATION, 0), (SATURATION + 1, 1)],
)
def test_altazion_a7_a_location_is_filled_and_not_overfilled(
    wanted: int, missing: int
) -> None:
    """Excluded when exceeded; whether an order may overshoot is not said: it may not.

    Capacity is counted in units and orders of a day, not in points.
    """
    shelf = stock({"a": {"x": 10**6}}, a={"capacity_units": SATURATION})

    plan = made(order(f"x:{wanted}"), shelf)

    assert SATURATION == 96_988
    assert shipped(plan) == {"a": {"x": wanted - missing}}
    reason = UnassignedReason.CAPACITY
    assert unassigned(plan) == ({"x": (missing, reason)} if missing else {})


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        ({"capacity_units": 1}, {"a": {"x": 1}}),
        ({"capacity_units": 0}, {"b": {"x": 1}}),
        ({"capacity_orders": 1}, {"a": {"x": 1}}),
        ({"capacity_orders": 0}, {"b": {"x": 1}}),
    ],
)
def test_altazion_a7_a_full_location_is_excluded(
    left: dict[str, int], expected: Units
) -> None:
    """The edge is not said: full is excluded, and one short of it is not."""
    shelf = stock({"a": {"x": 9}, "b": {"x": 9}}, a=left)

    plan = made(order("x"), shelf)

    assert shipped(plan) == expected
    full = {LocationId("a"): EliminationFilter.CAPACITY} if "b" in expected else {}
    assert plan.eliminated == full


@pytest.mark.parametrize(
    ("wanted", "missing"), [(2, 0), (8, 0), (9, 0), (10, 1), (15, 6)]
)
def test_altazion_a7_max_orderable_is_what_the_fullest_location_has(
    wanted: int, missing: int
) -> None:
    """MINIMUM, its default, would say 2 of 4, 9 and 2; MAXIMUM is the truth."""
    held = {"a": {"x": 4}, "b": {"x": 9}, "c": {"x": 2}}
    at_once = policy(split_rung=SplitRung.NO_SPLIT)

    plan = made(order(f"x:{wanted}"), stock(held), at_once)

    assert sum(each.quantity for each in plan.unassigned) == missing
    assert len(plan.shipments) == 1


@pytest.mark.parametrize(
    ("incomplete", "expected"),
    [
        (Incomplete.PARTIAL, {"a": {"x": 2}}),
        (Incomplete.REJECT_ORDER, {}),
    ],
)
def test_altazion_a7_one_impossible_line_does_not_kill_the_cart(
    incomplete: Incomplete, expected: Units
) -> None:
    """There it does, always; here it is one of the policy's answers."""
    shelf = stock({"a": {"x": 2, "y": 0}})

    plan = made(order("x:2", "y"), shelf, policy(incomplete=incomplete))

    assert shipped(plan) == expected


@pytest.mark.parametrize(
    ("most", "incomplete", "expected"),
    [
        (2, Incomplete.REJECT_ORDER, {"a": {"x": 2}, "b": {"y": 2}}),
        (1, Incomplete.REJECT_ORDER, {}),
        (1, Incomplete.PARTIAL, {"a": {"x": 2}}),
        (0, Incomplete.REJECT_ORDER, {"a": {"x": 2}, "b": {"y": 2}}),
    ],
)
def test_altazion_a7_max_shipments(
    most: int, incomplete: Incomplete, expected: Units
) -> None:
    """As many are allowed, one more is not; all refused, or what fits: as is said."""
    shelf = stock({"a": {"x": 2, "y": 0}, "b": {"x": 0, "y": 2}})
    by = policy(max_shipments=most, incomplete=incomplete)

    assert shipped(made(order("x:2", "y:2"), shelf, by)) == expected


NEAR, FAR = {"latitude": 48.9, "longitude": 2.3}, {"latitude": 43.3, "longitude": 5.4}
TWO, ONE = {"x": 1, "y": 1}, {"x": 1, "y": 0}


@pytest.mark.parametrize(
    ("held", "places", "expected"),
    [
        # Fewest shipments, though two that rank before it are near.
        (
            {"a": ONE, "b": {"x": 0, "y": 1}, "c": TWO},
            {"a": NEAR, "b": NEAR, "c": FAR},
            ["c"],
        ),
        # Then the rank, though the next is nearer.
        ({"a": TWO, "b": TWO}, {"a": FAR, "b": NEAR}, ["a"]),
    ],
)
def test_altazion_a7_shipments_then_priority(
    held: Units, places: dict[str, dict[str, float]], expected: list[str]
) -> None:
    wanted = order("x", "y", destination=Destination(48.9, 2.3))

    plan = made(wanted, stock(held, **places), PRESETS["fewest-shipments"])

    assert list(shipped(plan)) == expected
    assert plan.proven


@pytest.mark.parametrize(
    ("near", "expected"), [("ad", ["a", "d"]), ("bc", ["b", "c"]), ("", ["a", "d"])]
)
def test_altazion_a7_then_distance(near: str, expected: list[str]) -> None:
    """5 of 1, 2, 3 and 4: first and last, or the two between, are as high in rank."""
    held = {name: {"x": n} for n, name in enumerate("abcd", start=1)}
    places = {name: NEAR if name in near else FAR for name in held}
    wanted = order("x:5", destination=Destination(48.9, 2.3))

    plan = made(wanted, stock(held, **places), PRESETS["fewest-shipments"])

    assert sorted(shipped(plan)) == expected
    assert values(plan)["rank"] == 5


# --- Adobe (seed 003) -------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "expected", "missing"),
    [
        (2, {"a": {"x": 2}}, 0),
        (3, {"a": {"x": 3}}, 0),
        (4, {"a": {"x": 3}, "b": {"x": 1}}, 0),
        (13, {"a": {"x": 3}, "b": {"x": 10}}, 0),
        (14, {"a": {"x": 3}, "b": {"x": 10}}, 1),
    ],
)
def test_adobe_d5_priority_is_greedy(
    wanted: int, expected: Units, missing: int
) -> None:
    """min(available, remaining) from each in turn; no thought of fewer parcels."""
    held = {"off": {"x": 99}, "a": {"x": 3}, "b": {"x": 10}}
    shelf = stock(held, off={"active": False})

    plan = made(order(f"x:{wanted}"), shelf, PRESETS["priority"])

    assert shipped(plan) == expected
    assert sum(each.quantity for each in plan.unassigned) == missing


def test_adobe_d5_the_default_takes_one_parcel_where_the_walk_takes_two() -> None:
    held = {"a": {"x": 3}, "b": {"x": 10}}

    assert shipped(made(order("x:4"), stock(held))) == {"b": {"x": 4}}


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ({"a": FAR, "b": NEAR}, ["b", "a"]),
        ({"a": NEAR, "b": FAR}, ["a", "b"]),
        # As far: in the order of priority.
        ({"a": NEAR, "b": NEAR}, ["a", "b"]),
        # Without a distance: last.
        ({"b": FAR}, ["b", "a"]),
    ],
)
def test_adobe_d5_distance(
    places: dict[str, dict[str, float]], expected: list[str]
) -> None:
    """Distance, with the priority as its base."""
    shelf = stock({"a": {"x": 2}, "b": {"x": 2}}, **places)
    wanted = order("x:3", destination=Destination(48.9, 2.3))

    plan = made(wanted, shelf, PRESETS["nearest"])

    first, last = expected
    assert shipped(plan) == {first: {"x": 2}, last: {"x": 1}}


@pytest.mark.parametrize(("held", "missing"), [(6, 1), (7, 0), (8, 0)])
@pytest.mark.parametrize("preset", [DEFAULT, "priority"])
def test_adobe_d5_lines_of_one_sku_are_counted_together(
    preset: str, held: int, missing: int
) -> None:
    """There the later of two items with one SKU overwrites the earlier."""
    lines = line("x:3", line_id="1"), line("x:4", line_id="2")

    plan = made(order(*lines), stock({"a": {"x": held}}), PRESETS[preset])

    assert sum(each.quantity for each in plan.assignments) == min(7, held)
    assert sum(each.quantity for each in plan.unassigned) == missing


def test_an_inactive_location_of_the_seed_is_never_asked() -> None:
    """Adobe: 10 at a disabled source are not sold (D2), and not shipped either."""
    locations = [
        Location(LocationId("off"), 1, active=False),
        Location(LocationId("on"), 2),
    ]
    records = [
        StockRecord(each.location_id, Sku("x"), units)
        for each, units in zip(locations, (10, 3), strict=True)
    ]

    plan = made(order("x:4"), MemoryStock(locations, records))

    assert shipped(plan) == {"on": {"x": 3}}
    assert plan.eliminated == {LocationId("off"): EliminationFilter.INACTIVE}
