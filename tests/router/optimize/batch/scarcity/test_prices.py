"""Prices of stock and capacities: what they are worth, and the way between two."""

import numpy as np
import pytest

from router.optimize.batch.scarcity.prices import Prices, Room, worth_of


def prices(stock: int, units: int, orders: int) -> Prices:
    flat = np.ones(2, dtype=np.int64)
    return Prices(np.full((3, 2), stock), units * flat, orders * flat)


@pytest.mark.parametrize(
    ("part", "expected"), [(0, (8, 0, 4)), (4, (7, 4, 4)), (16, (4, 16, 4))]
)
def test_part_of_the_way_towards_others(
    part: int, expected: tuple[int, int, int]
) -> None:
    found = prices(8, 0, 4).towards(prices(4, 16, 4), part, 16)

    for mine, theirs in zip(found, prices(*expected), strict=True):
        assert (mine == theirs).all()


def test_what_has_no_capacity_costs_nothing() -> None:
    room = Room(np.full((3, 2), 5), None, np.array([1, 2]))

    assert prices(10, 999, 7).paid(room) == 6 * 5 * 10 + 3 * 7


def test_a_worth_beyond_64_bits_does_not_wrap() -> None:
    high = np.array([[2**40, 0], [2**40, 2**40]])

    assert worth_of(high, np.array([[2**40, 3], [2**40, 1]])) == 2**81 + 2**40
