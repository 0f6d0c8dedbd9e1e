"""Unknown is not zero: what is sold when a record is missing or stale."""

import pytest

from availability.offers.offer import Refusal, Rule, Status
from availability.setup.channels import SupplyRule
from availability.setup.settings import Backorders, Level, Preorder, Settings
from tests.availability.offers.worlds import NOTHING, allocation, one, place


@pytest.mark.parametrize(
    "settings",
    [
        Settings(floor_units=2),
        Settings(floor_units=2, backorders=Backorders.ALLOW),
        Settings(floor_units=2, out_of_stock_threshold_units=4),
    ],
)
@pytest.mark.parametrize("stale", [True, False])
def test_the_floor_where_the_stock_is_not_known(
    settings: Settings, stale: bool
) -> None:
    offer = (
        one({"dc": 50, "b": 5}, settings, stale_ids=["dc", "b"])
        if stale
        else one([], settings, locations=[place("dc")])
    )

    assert (offer.quantity_units, offer.known, offer.published) == (2, False, False)
    assert offer.refusal(3) == Refusal(Rule.UNKNOWN, Level.GLOBAL)
    assert [offer.backordered(units) for units in (2, 3)] == [0, 1]


def test_without_a_floor_nothing_is_sold_that_is_not_known() -> None:
    offer = one(50, NOTHING, stale_ids=["dc"])

    assert (offer.quantity_units, offer.status) == (0, Status.UNAVAILABLE)
    assert not offer.published


def test_a_record_of_zero_is_known() -> None:
    offer = one(0, Settings(floor_units=2))

    assert (offer.quantity_units, offer.known, offer.published) == (0, True, True)


def test_an_inactive_location_holds_nothing_and_is_known() -> None:
    locations = [place("dc", active=False)]

    offer = one({"dc": 9}, NOTHING, locations=locations, stale_ids=["dc"])

    assert (offer.quantity_units, offer.known) == (0, True)


def test_a_stale_record_counts_as_if_it_were_missing() -> None:
    """One store that does not report does not stop the sale at all the others."""
    rule = SupplyRule(min_locations=2)
    settings = Settings(floor_units=2, notify_units=20)
    stock = {"a": 5, "b": 7, "c": 50}

    offer = one(stock, settings, stale_ids=["c"], rules=[rule])

    assert (offer.quantity_units, offer.known, offer.published) == (12, True, True)
    assert offer.single_location_units == 7
    assert offer.low_stock_ids == ("a", "b")
    assert one(stock, settings, stale_ids=["b", "c"], rules=[rule]).quantity_units == 0


def test_at_an_inactive_location_an_old_count_is_as_good_as_any() -> None:
    locations = [place("dc"), place("shut", active=False)]

    offer = one(
        {"dc": 9, "shut": 9},
        Settings(floor_units=2),
        locations=locations,
        stale_ids=["dc", "shut"],
    )

    assert (offer.quantity_units, offer.known, offer.published) == (0, True, True)


def test_a_stale_record_outside_the_pool_does_not_matter() -> None:
    locations = [place("dc"), place("x", channel_ids=["b2b"])]

    offer = one({"dc": 9, "x": 9}, NOTHING, locations=locations, stale_ids=["x"])

    assert (offer.quantity_units, offer.known) == (9, True)


@pytest.mark.parametrize(
    ("settings", "follow", "quantity_units"),
    [
        (Settings(fixed_units=7), None, 7),
        (Settings(preorders=(Preorder(5, 10**6),)), None, 5),
        (Settings(managed=False), None, None),
        (Settings(floor_units=9), True, 30),
        (Settings(floor_units=9), False, 9),
        (Settings(floor_units=99), False, 30),
    ],
)
def test_what_does_not_come_from_stock_need_not_be_known(
    settings: Settings, follow: bool | None, quantity_units: int | None
) -> None:
    own = [] if follow is None else [allocation("a", 30, "web", follow=follow)]

    offer = one(50, settings, *own, stale_ids=["dc"])

    assert offer.quantity_units == quantity_units
    assert offer.published is (follow is not False)


def test_a_channel_without_a_pool_still_has_its_own_queue() -> None:
    own = allocation("a", 30, "web", follow=True)
    locations = [place("x", channel_ids=["b2b"])]

    offer = one([], NOTHING, own, locations=locations, queued_units={"web": 3})

    assert (offer.quantity_units, offer.net_units) == (30, -3)
