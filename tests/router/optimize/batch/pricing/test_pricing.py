import numpy as np
import pytest

from router.optimize.batch.pricing.blocks import NEVER, cheapest
from router.optimize.batch.pricing.branch import search


@pytest.mark.parametrize("seed", range(40))
def test_the_programme_and_the_branching_agree(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lines, locations = int(rng.integers(1, 6)), int(rng.integers(2, 12))
    demand = rng.choice([1, 2, 3], lines, p=[0.7, 0.2, 0.1])
    stock = rng.integers(0, 4, (lines, locations))
    stock *= rng.random((lines, locations)) < 0.6
    price = rng.integers(0, 700, (lines, locations)) * 1_000
    fixed = 1_000_000 + rng.integers(0, 50_000, locations)
    split = int(rng.choice([0, 200_000]))
    shape = tuple(int(units) for units in demand)
    found = cheapest(shape, price[None], stock[None], fixed[None], split)
    proof = search(demand, price, stock, fixed, split, 5_000)
    # Prices are multiples of 2^-20 of a shipment: 256 of them are nothing.
    assert proof.value - 256 <= proof.bound <= proof.value
    if found.sound[0]:
        assert found.value[0] == proof.value
    else:
        assert found.value[0] <= proof.value
    if proof.value < NEVER:
        shipped = np.zeros(lines, dtype=np.int64)
        for line, location, units in proof.pieces:
            assert units <= stock[line, location]
            shipped[line] += units
        assert (shipped == demand).all()


def test_a_search_cut_short_still_bounds() -> None:
    rng = np.random.default_rng(0)
    stock = rng.integers(0, 3, (25, 40)) * (rng.random((25, 40)) < 0.2)
    stock[:, 0] = 3
    price = rng.integers(0, 500, (25, 40)) * 1_000
    args = (np.ones(25, dtype=np.int64), price, stock, np.full(40, 1_000_000), 0)
    rough, better = search(*args, 1), search(*args, 200)
    assert rough.bound <= better.bound <= better.value <= rough.value
