"""Kits over shared components."""

from collections.abc import Mapping

import pytest

from availability.model import LocationId, Sku
from availability.offers.explain_kit import least
from availability.setup.kits import (
    Component,
    kit_quantity,
    kits_by_location,
    required,
)

CUP, SPOON = Sku("cup"), Sku("spoon")
SET = (Component(CUP, 2), Component(SPOON, 1))


def from_one_location(
    quantities: Mapping[Sku, int | None], located: Mapping[Sku, Mapping[str, int]]
) -> int | None:
    """Return how many sets leave from one location each, as `explain_kit` does."""
    units = {
        sku: {LocationId(at): n for at, n in each.items()}
        for sku, each in located.items()
    }
    places = kits_by_location(SET, units)
    assembled = None if places is None else sum(places.values())
    return least(kit_quantity(SET, quantities), assembled)


@pytest.mark.parametrize(
    ("cups", "spoons", "kits"),
    [(4, 2, 2), (5, 2, 2), (4, 9, 2), (3, 2, 1), (1, 9, 0), (9, 0, 0), (None, 3, 3),
     (6, None, 3), (None, None, None)],
)  # fmt: skip
def test_split_over_locations_the_least_over_components(
    cups: int | None, spoons: int | None, kits: int | None
) -> None:
    assert kit_quantity(SET, {CUP: cups, SPOON: spoons}) == kits


@pytest.mark.parametrize(
    ("cups", "spoons", "kits"),
    [
        # Pooled it is 2 kits in every row but the last.
        ({"a": 4}, {"a": 2}, 2),
        ({"a": 2, "b": 2}, {"a": 1, "b": 1}, 2),
        ({"a": 3, "b": 1}, {"a": 1, "b": 1}, 1),
        ({"a": 4}, {"b": 2}, 0),
        ({"a": 3, "b": 3}, {"a": 2, "b": 2}, 2),
    ],
)
def test_from_one_location_the_sum_of_what_each_can_put_together(
    cups: dict[str, int], spoons: dict[str, int], kits: int
) -> None:
    quantities = {CUP: sum(cups.values()), SPOON: sum(spoons.values())}

    assert from_one_location(quantities, {CUP: cups, SPOON: spoons}) == kits


def test_no_more_than_the_channel_is_promised() -> None:
    """Each location could, but of the 8 cups 4 are reserved for others."""
    located = {CUP: {"a": 4, "b": 4}, SPOON: {"a": 2, "b": 2}}

    assert from_one_location({CUP: 4, SPOON: 4}, located) == 2


def test_what_is_unlimited_is_everywhere() -> None:
    located = {CUP: {"a": 4, "b": 2}}

    assert from_one_location({CUP: 6, SPOON: None}, located) == 3
    assert from_one_location({CUP: None, SPOON: None}, {}) is None


def test_a_component_that_nobody_knows_is_not_there() -> None:
    assert kit_quantity(SET, {CUP: 9}) == 0
    assert from_one_location({CUP: 9, SPOON: 9}, {CUP: {"a": 9}, SPOON: {}}) == 0


def test_a_component_in_two_rows_is_counted_together() -> None:
    twice = (Component(CUP, 1), Component(CUP, 2))

    assert required(twice) == {CUP: 3}
    assert kit_quantity(twice, {CUP: 5}) == 1


def test_a_component_needs_a_quantity() -> None:
    with pytest.raises(ValueError, match="positive"):
        Component(CUP, 0)
