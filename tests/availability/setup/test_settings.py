"""The most specific value that is given counts, and says where it comes from."""

import dataclasses

from availability.model import Sku
from availability.offers.bulk.terms import DEFAULTS
from availability.setup.settings import (
    FIELDS,
    Backorders,
    Effective,
    Level,
    Preorder,
    Settings,
    SettingsBook,
)
from tests.availability.offers.worlds import SHIRT

BOOK = SettingsBook(
    Settings(buffer_units=1, low_units=1, max_units=1, notify_units=1),
    channels={"web": Settings(buffer_units=2, low_units=2, max_units=2)},
    skus={SHIRT: Settings(buffer_units=3, low_units=3)},
    channel_skus={("web", SHIRT): Settings(buffer_units=0)},
)


def test_the_most_specific_counts_and_nothing_is_added_up() -> None:
    counts = BOOK.resolve("web", SHIRT)

    assert (counts.buffer_units, counts.level("buffer_units")) == (0, Level.CHANNEL_SKU)
    assert (counts.low_units, counts.level("low_units")) == (3, Level.SKU)
    assert (counts.max_units, counts.level("max_units")) == (2, Level.CHANNEL)
    assert (counts.notify_units, counts.level("notify_units")) == (1, Level.GLOBAL)
    assert (counts.min_units, counts.level("min_units")) == (1, Level.DEFAULT)


def test_another_channel_and_another_sku_are_not_meant() -> None:
    assert BOOK.resolve("b2b", SHIRT).buffer_units == 3
    assert BOOK.resolve("web", Sku("hat")).buffer_units == 2
    assert BOOK.resolve("b2b", Sku("hat")).buffer_units == 1


def test_none_and_nothing_are_values() -> None:
    """That is how a wider level's value is lifted."""
    book = SettingsBook(
        Settings(preorders=(Preorder(5, 9),), backorders=Backorders.ALLOW, max_units=5),
        skus={SHIRT: Settings(preorders=(), backorders=Backorders.NONE, max_units=0)},
    )

    counts = book.resolve("web", SHIRT)

    assert (counts.preorders, counts.backorders) == ((), Backorders.NONE)
    assert counts.max_units == 0


def test_each_setting_has_a_value_that_counts_and_a_term() -> None:
    """A setting that is added must be resolved, and laid out as an array."""
    effective = {each.name for each in dataclasses.fields(Effective)} - {"levels"}
    for_people = {"notify_units"}
    renamed = {"preorders", "customer_limit"}

    assert effective == set(FIELDS)
    assert set(DEFAULTS) - {"preorder_units", "release_seconds", "customer_units"} == (
        set(FIELDS) - for_people - renamed
    )
    for name, value in DEFAULTS.items():
        default = getattr(Effective(), name, None)
        if isinstance(default, int):
            assert default == value
