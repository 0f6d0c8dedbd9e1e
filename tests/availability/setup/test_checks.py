"""Every breach at once, each with its path."""

import dataclasses

import pytest

from availability.errors import Violation
from availability.model import MAX_STOCK_UNITS, LocationId, Network, Sku
from availability.setup.channels import Channel, FutureSupply, Purpose, SupplyRule
from availability.setup.checks import (
    check_allocations,
    check_book,
    check_channels,
    check_supplies,
)
from availability.setup.settings import CustomerLimit, Preorder, Settings, SettingsBook
from tests.availability.offers.worlds import SHIRT, allocation, ids, place

CHANNELS = (Channel("web"), Channel("b2b"))
NETWORK = Network.of([place("dc"), place("mall", channel_ids=["web"])])


def said(violations: list[Violation]) -> list[tuple[str, str]]:
    return [(each.path, each.reason) for each in violations]


def test_what_is_right_has_no_breach() -> None:
    rule = SupplyRule(include_ids=ids("dc"), min_units=2, max_units=2)
    book = SettingsBook(
        Settings(
            publication_threshold_units=3,
            availability_threshold_units=3,
            out_of_stock_threshold_units=-50,
            min_units=4,
            max_units=4,
            multiple_units=2,
            share_permille=0,
            preorders=(Preorder(0, 20), Preorder(1, 30, 20)),
        ),
        channels={"web": Settings(max_units=0)},
    )

    assert check_channels([Channel("web", (rule,))], NETWORK) == []
    assert check_book(book, CHANNELS) == []
    assert (
        check_allocations([allocation("a", 10**6, "web", follow=True)], CHANNELS) == []
    )


def test_lists_every_breach_of_the_channels() -> None:
    rules = (
        SupplyRule(share_permille=1001, min_units=5, max_units=4),
        SupplyRule(
            include_ids=ids("dc", "x"), exclude_ids=ids("y"), threshold_units=-1
        ),
    )
    channels = [Channel("b2b", rules), Channel("b2b")]

    assert said(check_channels(channels, NETWORK)) == [
        ("channels[0].rules[0].share_permille", "OUT_OF_RANGE"),
        ("channels[0].rules[0].max_units", "MAX_BELOW_MIN"),
        ("channels[0].rules[1].threshold_units", "OUT_OF_RANGE"),
        ("channels[0].rules[1].include_ids", "UNKNOWN_LOCATION"),
        ("channels[0].rules[1].exclude_ids", "UNKNOWN_LOCATION"),
        ("channels[1].channel_id", "DUPLICATE"),
        ("locations[1].channel_ids", "UNKNOWN_CHANNEL"),
    ]


def test_lists_every_breach_of_the_settings() -> None:
    book = SettingsBook(
        Settings(
            buffer_units=-1,
            min_units=0,
            multiple_units=0,
            share_permille=1001,
            low_units=MAX_STOCK_UNITS + 1,
            customer_limit=CustomerLimit(-1, 0),
        ),
        channels={"shop": Settings()},
        channel_skus={("shop", Sku("hat")): Settings()},
    )

    assert said(check_book(book, CHANNELS, [SHIRT])) == [
        ("settings.global.low_units", "OUT_OF_RANGE"),
        ("settings.global.min_units", "OUT_OF_RANGE"),
        ("settings.global.multiple_units", "OUT_OF_RANGE"),
        ("settings.global.share_permille", "OUT_OF_RANGE"),
        ("settings.global.buffer_units", "OUT_OF_RANGE"),
        ("settings.global.customer_limit.max_units", "OUT_OF_RANGE"),
        ("settings.global.customer_limit.window_seconds", "OUT_OF_RANGE"),
        ("settings.channels[shop]", "UNKNOWN_CHANNEL"),
        ("settings.channel_skus[shop,hat]", "UNKNOWN_CHANNEL"),
        ("settings.channel_skus[shop,hat]", "UNKNOWN_SKU"),
    ]


def test_preorder_windows() -> None:
    windows = (
        Preorder(-1, release_seconds=20, starts_seconds=10),
        Preorder(1, release_seconds=30, starts_seconds=19),
        Preorder(1, release_seconds=40, starts_seconds=40, presold_units=-1),
    )
    book = SettingsBook(Settings(preorders=windows))

    assert said(check_book(book, CHANNELS)) == [
        ("settings.global.preorders[0].cap_units", "OUT_OF_RANGE"),
        ("settings.global.preorders[2].presold_units", "OUT_OF_RANGE"),
        ("settings.global.preorders[2].release_seconds", "EMPTY_WINDOW"),
        ("settings.global.preorders[1].starts_seconds", "OVERLAP"),
    ]


@pytest.mark.parametrize(
    ("book", "path"),
    [
        pytest.param(
            SettingsBook(
                Settings(publication_threshold_units=4, availability_threshold_units=3)
            ),
            "settings.global",
            id="one_level",
        ),
        pytest.param(
            SettingsBook(
                Settings(publication_threshold_units=4, availability_threshold_units=9),
                channels={"web": Settings(availability_threshold_units=3)},
            ),
            "settings.channels[web]",
            id="channel_under_global",
        ),
        pytest.param(
            SettingsBook(
                channels={
                    "b2b": Settings(
                        publication_threshold_units=4, availability_threshold_units=9
                    )
                },
                skus={SHIRT: Settings(availability_threshold_units=3)},
            ),
            "settings.skus[shirt]",
            id="sku_meets_a_channel",
        ),
        pytest.param(
            SettingsBook(
                Settings(availability_threshold_units=3),
                channel_skus={("b2b", SHIRT): Settings(publication_threshold_units=4)},
            ),
            "settings.channel_skus[b2b,shirt]",
            id="channel_sku_over_global",
        ),
    ],
)
def test_hidden_while_on_sale_is_a_breach_across_levels(
    book: SettingsBook, path: str
) -> None:
    """Altazion does not check it: A4, dépublier above non disponible."""
    assert said(check_book(book, CHANNELS)) == [
        (f"{path}.publication_threshold_units", "PUBLICATION_ABOVE_AVAILABILITY")
    ]


def test_nothing_can_be_ordered() -> None:
    book = SettingsBook(Settings(min_units=5, max_units=7, multiple_units=4))

    assert said(check_book(book, CHANNELS)) == [
        ("settings.global.max_units", "MAX_BELOW_MIN")
    ]


def test_lists_every_breach_of_the_allocations() -> None:
    first = allocation("a", -1, "web", consumed_units=-2)
    follower = dataclasses.replace(
        allocation("a", 1, "shop"), following=frozenset({"web"})
    )
    nobody = allocation("b", 1, purpose=Purpose.PRESELL)

    assert said(check_allocations([first, follower, nobody], CHANNELS)) == [
        ("allocations[0].quantity_units", "OUT_OF_RANGE"),
        ("allocations[0].consumed_units", "OUT_OF_RANGE"),
        ("allocations[1].allocation_id", "DUPLICATE"),
        ("allocations[1].channel_ids", "UNKNOWN_CHANNEL"),
        ("allocations[1].following", "NOT_A_MEMBER"),
        ("allocations[2].channel_ids", "EMPTY"),
    ]


def test_supplies() -> None:
    supply = FutureSupply(LocationId("x"), SHIRT, MAX_STOCK_UNITS + 1, 5)

    assert said(check_supplies([supply], NETWORK)) == [
        ("supplies[0].quantity_units", "OUT_OF_RANGE"),
        ("supplies[0].location_id", "UNKNOWN_LOCATION"),
    ]
    with pytest.raises(ValueError, match="positive"):
        FutureSupply(LocationId("dc"), SHIRT, 0, 5)
