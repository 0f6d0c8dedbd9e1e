"""Kits over shared components."""

import itertools

import numpy as np
import pytest

from availability.model import Sku
from availability.offers.bulk.arrays import UNLIMITED
from availability.setup.kits import (
    Component,
    kit_quantities,
    kit_quantity,
    kit_units_at_one_location,
    missing,
    required,
)

CUP, SPOON, BOX = Sku("cup"), Sku("spoon"), Sku("box")
SET = (Component(CUP, 2), Component(SPOON, 1))
GIFT = (Component(CUP, 1), Component(BOX, 1))


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

    assert kit_quantity(SET, quantities, {CUP: cups, SPOON: spoons}) == kits


def test_no_more_than_the_channel_is_promised() -> None:
    """Each location could, but of the 8 cups 4 are reserved for others."""
    located = {CUP: {"a": 4, "b": 4}, SPOON: {"a": 2, "b": 2}}

    assert kit_quantity(SET, {CUP: 4, SPOON: 4}, located) == 2


def test_what_is_unlimited_is_everywhere() -> None:
    located = {CUP: {"a": 4, "b": 2}}

    assert kit_quantity(SET, {CUP: 6, SPOON: None}, located) == 3
    assert kit_quantity(SET, {CUP: None, SPOON: None}, {}) is None


def test_a_component_that_nobody_knows_is_not_there() -> None:
    assert kit_quantity(SET, {CUP: 9}) == 0
    assert kit_quantity(SET, {CUP: 9, SPOON: 9}, {CUP: {"a": 9}}) == 0


def test_two_lines_that_share_a_component_are_counted_together() -> None:
    """2 sets take 4 cups, 1 gift 1: each line by itself would pass with 4."""
    lines = [(SET, 2), (GIFT, 1)]

    assert required(lines) == {CUP: 5, SPOON: 2, BOX: 1}
    assert missing(lines, {CUP: 5, SPOON: 2, BOX: None}) == {}
    assert missing(lines, {CUP: 4, SPOON: 2, BOX: None}) == {CUP: 1}
    assert missing(lines[:1], {CUP: 4, SPOON: 2}) == {}
    assert missing(lines, {CUP: 9, SPOON: 2}) == {BOX: 1}


def test_a_component_in_two_rows_is_counted_together() -> None:
    twice = (Component(CUP, 1), Component(CUP, 2))

    assert kit_quantity(twice, {CUP: 5}) == 1


def test_a_component_needs_a_quantity() -> None:
    with pytest.raises(ValueError, match="positive"):
        Component(CUP, 0)


def test_arrays_say_the_same() -> None:
    """All small cases of two kits that share cups, on every channel."""
    values = (UNLIMITED, 0, 1, 2, 3, 4, 5)
    rows = np.array(list(itertools.product(values, repeat=3)), np.int64)
    starts, skus, units = (
        np.array(it) for it in ([0, 2, 4], [0, 1, 0, 2], [2, 1, 1, 1])
    )

    found = kit_quantities(starts, skus, units, rows)

    for row, kits in zip(rows.tolist(), found.tolist(), strict=True):
        there = {
            sku: None if n == UNLIMITED else n
            for sku, n in zip((CUP, SPOON, BOX), row, strict=True)
        }
        said = [kit_quantity(kit, there) for kit in (SET, GIFT)]
        assert kits == [UNLIMITED if n is None else n for n in said]


def test_no_kits() -> None:
    none = np.zeros(0, np.int64)

    found = kit_quantities(np.zeros(1, np.int64), none, none, np.ones((2, 3), np.int64))

    assert found.shape == (2, 0)


def test_each_location() -> None:
    located = np.array([[4, 3, 0], [2, 9, 5]])

    assert kit_units_at_one_location(located, np.array([2, 1])).tolist() == [2, 1, 0]
