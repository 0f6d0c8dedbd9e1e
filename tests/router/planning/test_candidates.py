"""Who may ship, and the first filter that removed each of the others."""

from typing import Any

import pytest

from availability.model import Location, LocationId, LocationKind, Network
from router.model import (
    Destination,
    EliminationFilter,
    LocationFilter,
    Order,
    RoutingPolicy,
)
from router.planning.candidates import CandidateFinder, Candidates
from router.planning.columns import FARTHEST_METERS
from router.policies import PRESETS
from tests.builders import PARIS, only, order, picked, policy

STORE = LocationKind.STORE
NETWORK = Network.of(
    [
        Location(LocationId("a"), 1, latitude=48.0, longitude=2.0, country_code="FR"),
        Location(LocationId("b"), 2, kind=STORE, groups=frozenset(["north"])),
        Location(LocationId("off"), 3, active=False),
        Location(LocationId("web"), 4, channel_ids=frozenset(["web"])),
        Location(LocationId("van"), 5, shipping_methods=frozenset(["van"])),
    ]
)


def find(
    order: Order,
    policy: RoutingPolicy,
    network: Network = NETWORK,
    capacities: Any = None,
) -> Candidates:
    return CandidateFinder().find(order, policy, network, capacities or {})


def names(found: Candidates) -> list[str]:
    return [each.location_id for each in found.pool.locations]


def removed(found: Candidates) -> dict[str, str]:
    return {name: by.value for name, by in found.eliminated.items()}


@pytest.mark.parametrize(
    ("wanted", "by", "eligible", "eliminated"),
    [
        (order("x"), only(), "a b web van", {"off": "inactive"}),
        (
            order("x", channel_id="shop"),
            only(),
            "a b van",
            {"off": "inactive", "web": "channel"},
        ),
        (
            order("x", shipping_method="post"),
            only(),
            "a b web",
            {"off": "inactive", "van": "shipping_method"},
        ),
        (
            order("x"),
            only(kinds=frozenset([STORE])),
            "b",
            {"a": "kind", "off": "inactive", "web": "kind", "van": "kind"},
        ),
        (
            order("x"),
            only(groups=frozenset(["north", "south"])),
            "b",
            {"a": "group", "off": "inactive", "web": "group", "van": "group"},
        ),
        (
            # A location whose country is not known is not in any.
            order("x"),
            only(country_codes=frozenset(["FR"])),
            "a",
            {"b": "country", "off": "inactive", "web": "country", "van": "country"},
        ),
        (
            # Excluded wins over included.
            order("x"),
            only(
                included_location_ids=frozenset(["a", "b"]),
                excluded_location_ids=frozenset(["b"]),
            ),
            "a",
            {
                "b": "excluded",
                "off": "inactive",
                "web": "not_included",
                "van": "not_included",
            },
        ),
        (
            # Paris is 98.7 km from a; the others have no coordinates.
            order("x", destination=PARIS),
            only(max_distance_meters=99_000),
            "a",
            {"b": "distance", "off": "inactive", "web": "distance", "van": "distance"},
        ),
        (
            order("x", destination=PARIS),
            only(max_distance_meters=10**8, excluded_location_ids=frozenset(["a"])),
            "",
            # However far it may be, no coordinates are no distance.
            {
                "a": "excluded",
                "b": "distance",
                "off": "inactive",
                "web": "distance",
                "van": "distance",
            },
        ),
    ],
)
def test_names_the_first_filter_that_removed_a_location(
    wanted: Order, by: RoutingPolicy, eligible: str, eliminated: dict[str, str]
) -> None:
    found = find(wanted, by)

    assert names(found) == eligible.split()
    assert removed(found) == eliminated
    assert list(removed(found)) == sorted(
        eliminated, key=lambda name: NETWORK.index[name]
    )


def test_filters_are_asked_in_the_order_of_their_enum() -> None:
    """One location fails them all; one by one they are mended."""
    location: dict[str, Any] = {
        "active": False,
        "channel_ids": frozenset(["web"]),
        "shipping_methods": frozenset(["van"]),
        "latitude": 48.0,
        "longitude": 2.0,
    }
    rule: dict[str, Any] = {
        "kinds": frozenset([STORE]),
        "groups": frozenset(["g"]),
        "country_codes": frozenset(["FR"]),
        "max_distance_meters": 1,
        "included_location_ids": frozenset(["other"]),
        "excluded_location_ids": frozenset(["l"]),
    }
    capacities = {"l": (0, None)}
    rejected = frozenset([("x", "l")])
    mended: list[tuple[dict[str, Any], str, Any]] = [
        (location, "active", True),
        (location, "channel_ids", frozenset()),
        (rule, "kinds", frozenset()),
        (rule, "groups", frozenset()),
        (rule, "country_codes", frozenset()),
        (rule, "max_distance_meters", 0),
        (location, "shipping_methods", frozenset()),
        (rule, "included_location_ids", frozenset()),
        (rule, "excluded_location_ids", frozenset()),
        (capacities, "l", (1, None)),
    ]
    asked = []
    for fields, name, value in [*mended, ({}, "", None)]:
        network = Network.of([Location(LocationId("l"), **location)])
        wanted = order(
            "x",
            destination=PARIS,
            channel_id="shop",
            shipping_method="post",
            rejected=rejected,
        )
        found = find(wanted, only(**rule), network, capacities)
        asked.append(found.eliminated[LocationId("l")])
        fields[name] = value

    assert asked == list(EliminationFilter)


@pytest.mark.parametrize(
    ("left", "eligible"),
    [
        ((0, None), "b web van"),
        ((None, 0), "b web van"),
        ((0, 5), "b web van"),
        ((1, 1), "a b web van"),
        ((None, None), "a b web van"),
    ],
)
def test_removes_who_has_no_orders_or_no_units_left(
    left: tuple[int | None, int | None], eligible: str
) -> None:
    found = find(order("x"), only(), capacities={"a": left})

    assert names(found) == eligible.split()
    assert (LocationId("a") in found.eliminated) == ("a" not in eligible.split())


def test_removes_who_refused_every_line_and_nobody_else() -> None:
    rejected = frozenset([("x", "a"), ("y", "a"), ("y", "b")])

    found = find(order("x", "y", rejected=rejected), only())

    assert names(found) == ["b", "web", "van"]
    assert removed(found) == {"a": "rejected", "off": "inactive"}


def test_keeps_a_removed_location_that_has_picked_units() -> None:
    wanted = order("x:2", frozen=(picked("x", "off", 1), picked("x", "b", 1)))

    found = find(wanted, only())

    assert names(found) == ["a", "b", "off", "web", "van"]
    assert found.pinned == {2}
    # It ships: it is not among those that could not.
    assert removed(found) == {}


def test_finds_nobody_in_an_empty_network() -> None:
    found = find(order("x"), only(), Network(()))

    assert names(found) == []
    assert found.pool.origin_ids == ()


def test_what_does_not_depend_on_the_order_is_worked_out_once() -> None:
    finder = CandidateFinder()
    first = finder.find(order("x"), only(), NETWORK, {})
    same = finder.find(order("y", destination=PARIS), only(), NETWORK, {})
    refused = order("x", "y", rejected=frozenset([("x", "a")]))
    untouched = finder.find(refused, only(), NETWORK, {LocationId("a"): (1, 1)})
    other = finder.find(order("x", channel_id="web"), only(), NETWORK, {})
    changed = Network.of(NETWORK.locations[:1])
    after = finder.find(order("x"), only(), changed, {})

    assert same.pool is first.pool
    assert untouched.pool is first.pool
    assert other.pool is not first.pool
    assert names(after) == ["a"]


# --- Distance -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("latitude", "longitude", "to", "meters"),
    [
        # Half way round, a quarter, and one degree of the equator: 2 pi R / 360.
        (0.0, 0.0, Destination(0.0, 180.0), 20_015_114),
        (0.0, 0.0, Destination(90.0, 0.0), 10_007_557),
        (0.0, 0.0, Destination(0.0, 1.0), 111_195),
        # Over the date line it is 2 degrees, not 358.
        (0.0, 179.0, Destination(0.0, -179.0), 222_390),
        # At 60 degrees of latitude a degree of longitude is about half as long.
        (60.0, 0.0, Destination(60.0, 1.0), 55_597),
        (48.8566, 2.3522, PARIS, 0),
    ],
)
def test_distances_are_great_circles(
    latitude: float, longitude: float, to: Destination, meters: int
) -> None:
    here = Location(LocationId("l"), latitude=latitude, longitude=longitude)

    found = find(order("x", destination=to), PRESETS["nearest"], Network.of([here]))

    assert found.meters is not None
    assert found.meters.tolist() == [meters]


def test_measures_the_eligible_and_puts_the_unknown_farthest() -> None:
    locations = [
        Location(LocationId("far"), 1, latitude=0.0, longitude=0.0),
        Location(LocationId("off"), 2, latitude=48.0, longitude=2.0, active=False),
        Location(LocationId("near"), 3, latitude=48.8, longitude=2.3),
        Location(LocationId("nowhere"), 4),
    ]
    wanted = order("x", destination=PARIS)

    found = find(wanted, PRESETS["nearest"], Network.of(locations))

    assert names(found) == ["far", "near", "nowhere"]
    assert found.meters is not None
    far, near, nowhere = found.meters.tolist()
    assert near < 10_000 < 5_000_000 < far < nowhere == FARTHEST_METERS


@pytest.mark.parametrize(("most", "eligible"), [(111_195, ["l"]), (111_194, [])])
def test_within_a_distance_includes_it(most: int, eligible: list[str]) -> None:
    """One degree of the equator is 111,195 m."""
    here = Location(LocationId("l"), latitude=0.0, longitude=0.0)
    wanted = order("x", destination=Destination(0.0, 1.0))

    found = find(wanted, only(max_distance_meters=most), Network.of([here]))

    assert names(found) == eligible


def test_measures_nothing_that_nobody_asked_for() -> None:
    assert find(order("x", destination=PARIS), policy()).meters is None


# --- Pools ----------------------------------------------------------------------


def test_rooms_of_a_site_share_an_origin() -> None:
    locations = [
        Location(LocationId("a"), 1),
        Location(LocationId("room1"), 2, origin_id="site"),
        Location(LocationId("b"), 3),
        Location(LocationId("room2"), 4, origin_id="site"),
    ]

    pool = find(order("x"), only(), Network.of(locations)).pool

    assert pool.origin_ids == ("a", "site", "b")
    assert pool.origin is not None
    assert pool.origin.tolist() == [0, 1, 2, 1]


def test_a_lone_room_is_an_origin_like_any_other() -> None:
    locations = [
        Location(LocationId("room1"), 1, origin_id="site"),
        Location(LocationId("room2"), 2, origin_id="site", active=False),
    ]

    pool = find(order("x"), only(), Network.of(locations)).pool

    assert pool.origin is None
    assert pool.origin_ids == ("site",)


def test_what_is_shared_by_many_orders_cannot_be_changed() -> None:
    pool = find(order("x"), only()).pool

    with pytest.raises(ValueError, match="read-only"):
        pool.of.unit_cost_micros[0] = 1


def test_filter_with_a_rule_object_made_anew_finds_the_same() -> None:
    """Policies come from requests: equal ones are the same key."""
    finder = CandidateFinder()
    rules = [policy(filter=LocationFilter(kinds=frozenset([STORE]))) for _ in range(2)]

    pools = [finder.find(order("x"), rule, NETWORK, {}).pool for rule in rules]

    assert pools[0] is pools[1]
