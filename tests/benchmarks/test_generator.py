import numpy as np
import pytest

from benchmarks.batch.generator import COVER, SIZES, SPLIT_RATES, checksum, draw
from benchmarks.batch.instances import CHECKSUMS, names, stored
from router.optimize.batch.plans.greedy import order_by_order
from router.optimize.batch.problem import check, complete, visits

STOCK_PER_DEMAND = {
    "tight": (2.2, 2.8),
    "medium": (5.0, 6.5),
    "loose": (15.0, 20.0),
    "deep": (40.0, 60.0),
}

# Larger ones take seconds each: `python -m benchmarks.batch.store` looks at them.
DRAWN = [*names("1k"), *names("10k"), "tight-100k-0"]


@pytest.mark.parametrize("name", DRAWN)
def test_what_is_drawn_is_what_the_results_are_of(name: str) -> None:
    regime, size, seed = name.split("-")
    assert checksum(draw(regime, SIZES[size], int(seed))) == stored(CHECKSUMS)[name]


def test_a_checksum_is_of_everything() -> None:
    sums = stored(CHECKSUMS)
    assert len(set(sums.values())) == len(sums)
    drawn = {name for size in SIZES for name in names(size)}
    assert drawn <= sums.keys()


# One seed of each: docs/benchmarks-batch.md has the rates of all twelve.
@pytest.mark.parametrize("regime", COVER)
def test_split_rates_are_those_of_the_trade(regime: str) -> None:
    problem = draw(regime, SIZES["10k"], 0)
    plan = order_by_order(problem)
    assert check(problem, plan) == []
    order, _ = visits(problem, plan)
    several = np.bincount(order, minlength=problem.orders) > 1
    split = np.count_nonzero(several & (complete(problem, plan) == 1))
    least, most = SPLIT_RATES
    assert least <= split / problem.orders <= most


@pytest.mark.parametrize("name", names("10k"))
def test_a_regime_is_what_its_name_says(name: str) -> None:
    regime, size, seed = name.split("-")
    problem = draw(regime, SIZES[size], int(seed))
    least, most = STOCK_PER_DEMAND[regime]
    assert least <= problem.stock.sum() / problem.demand.sum() <= most


def test_stock_covers_demand_but_where_it_is_to_be_short() -> None:
    full = draw("tight", SIZES["1k"], 0)
    wanted = np.bincount(full.sku, full.demand, len(full.stock))
    assert (full.stock.sum(axis=1) >= wanted).all()
    short = draw("tight", SIZES["1k"], 0, short_share=1.0)
    assert (short.stock.sum(axis=1) < wanted).any()
