"""All that is said about selling: changed item by item, judged whole."""

from availability.model import Network, Sku
from availability.setup.channels import Allocation, Channel, FutureSupply, SupplyRule
from availability.setup.kits import Component
from availability.setup.settings import Settings
from availability.setup.setup import (
    NOTHING_SAID,
    Setup,
    SetupChange,
    changed,
    check_setup,
    difference,
    settings_at,
)
from tests.availability.offers.worlds import ids, place

NETWORK = Network.of([place("dc")])
KIT, X, Y = Sku("kit"), Sku("x"), Sku("y")
FULL = SetupChange(
    channels={"web": Channel("web"), "pos": Channel("pos", (SupplyRule(rank=2),))},
    settings={
        ("", ""): Settings(low_units=3),
        ("web", ""): Settings(min_units=2),
        ("", "x"): Settings(max_units=8),
        ("web", "x"): Settings(multiple_units=2),
    },
    allocations={"a": Allocation("a", X, 5, channel_ids=frozenset({"web"}))},
    kits={KIT: (Component(X, 2), Component(Y, 1))},
    supplies={"s": FutureSupply(NETWORK.locations[0].location_id, X, 4, 9)},
)


def said(setup: Setup, change: SetupChange | None = None) -> list[tuple[str, str]]:
    return [(each.path, each.reason) for each in check_setup(setup, NETWORK, change)]


def test_items_are_put_and_taken_away_by_their_keys() -> None:
    setup = changed(NOTHING_SAID, FULL)
    gone = SetupChange(
        channels={"pos": None},
        settings={("", ""): None, ("", "x"): None, ("web", "y"): None},
        kits={KIT: None},
    )

    after = changed(setup, gone)

    assert list(after.channels) == ["web"]
    assert settings_at(after.book, ("", "")) is None
    assert settings_at(after.book, ("", "x")) is None
    assert settings_at(after.book, ("web", "x")) == Settings(multiple_units=2)
    assert dict(after.kits) == {}
    # What it was before is as it was.
    assert settings_at(setup.book, ("", "x")) == Settings(max_units=8)


def test_an_allocation_keeps_its_place_in_time() -> None:
    setup = changed(NOTHING_SAID, FULL)
    more = Allocation("b", X, 1, channel_ids=frozenset({"web"}))
    setup = changed(setup, SetupChange(allocations={"b": more}))
    again = Allocation("a", X, 9, channel_ids=frozenset({"web"}))
    setup = changed(setup, SetupChange(allocations={"a": again}))

    assert [
        (each.allocation_id, each.quantity_units, each.created_number)
        for each in setup.allocations.values()
    ] == [("a", 9, 1), ("b", 1, 2)]


def test_a_difference_leads_from_one_to_the_other() -> None:
    setup = changed(NOTHING_SAID, FULL)
    other = changed(
        NOTHING_SAID,
        SetupChange(
            channels={"web": Channel("web", (SupplyRule(share_permille=10),))},
            settings={("web", ""): Settings(min_units=2), ("", "y"): Settings()},
        ),
    )
    for before, after in ((setup, other), (other, setup), (NOTHING_SAID, setup)):
        change = difference(before, after)
        assert difference(changed(before, change), after) == SetupChange()
    assert difference(setup, setup).count == 0
    assert difference(NOTHING_SAID, setup).count == FULL.count == 9


def test_what_was_consumed_is_no_difference() -> None:
    setup = changed(NOTHING_SAID, FULL)
    used = Allocation(
        "a", X, 5, channel_ids=frozenset({"web"}), consumed_units=3, created_number=7
    )
    assert difference(setup, changed(setup, FULL)).count == 0
    other = Setup(setup.channels, setup.book, {"a": used}, setup.kits, setup.supplies)
    assert difference(setup, other).count == 0


def test_a_right_setup_has_no_breach() -> None:
    assert said(changed(NOTHING_SAID, FULL), FULL) == []


def test_a_wide_change_is_held_against_every_narrow_one() -> None:
    setup = changed(NOTHING_SAID, FULL)
    wide = SetupChange(settings={("web", ""): Settings(min_units=9)})

    assert said(changed(setup, wide), wide) == [
        ("settings.skus[x].max_units", "MAX_BELOW_MIN"),
        ("settings.channel_skus[web,x].max_units", "MAX_BELOW_MIN"),
    ]


def test_a_narrow_change_is_held_against_what_is_wide() -> None:
    setup = changed(NOTHING_SAID, FULL)
    narrow = SetupChange(settings={("", "x"): Settings(max_units=1)})

    found = said(changed(setup, narrow), narrow)

    assert ("settings.skus[x].max_units", "MAX_BELOW_MIN") in found


def test_a_kit_has_no_stock_of_its_own() -> None:
    setup = changed(
        changed(NOTHING_SAID, FULL),
        SetupChange(
            settings={("", "kit"): Settings(floor_units=1, max_units=3)},
            allocations={"k": Allocation("k", KIT, 5)},
            supplies={"k": FutureSupply(NETWORK.locations[0].location_id, KIT, 4, 9)},
            kits={Y: (Component(KIT, 1),)},
        ),
    )

    assert said(setup) == [
        ("kits[kit].components[1].sku", "CYCLE"),
        ("kits[y].components[0].sku", "CYCLE"),
        ("settings.skus[kit].floor_units", "NOT_FOR_KITS"),
        ("allocations[1].sku", "NOT_FOR_KITS"),
        ("supplies[1].sku", "NOT_FOR_KITS"),
    ]


def test_a_rule_names_places_that_are_there() -> None:
    rule = SupplyRule(include_ids=ids("dc", "gone"))
    setup = changed(
        NOTHING_SAID, SetupChange(channels={"web": Channel("web", (rule,))})
    )

    assert said(setup) == [("channels[0].rules[0].include_ids", "UNKNOWN_LOCATION")]
