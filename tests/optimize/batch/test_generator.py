import json
from pathlib import Path

import numpy as np
import pytest

import benchmarks.batch
from benchmarks.batch.generator import COVER, SIZES, checksum, draw
from router.optimize.batch.greedy import order_by_order, split_rate
from router.optimize.batch.problem import check

STORED = Path(benchmarks.batch.__file__).with_name("checksums.json")


@pytest.mark.parametrize(("name", "stored"), json.loads(STORED.read_text()).items())
def test_what_is_drawn_is_what_the_results_are_of(name: str, stored: str) -> None:
    regime, size, seed = name.split("-")
    assert checksum(draw(regime, SIZES[size], int(seed))) == stored


@pytest.mark.parametrize("regime", COVER)
def test_split_rates_are_those_of_the_trade(regime: str) -> None:
    """6 to 15 % of orders; the tightest, at 10,000 x 60, is a stress: 16.2 %."""
    problem = draw(regime, SIZES["10k"], 0)
    plan = order_by_order(problem)
    assert check(problem, plan) == []
    assert 0.06 <= split_rate(problem, plan) <= (0.17 if regime == "tight" else 0.15)


def test_stock_covers_demand_but_where_it_is_to_be_short() -> None:
    full = draw("tight", SIZES["1k"], 0)
    wanted = np.bincount(full.sku, full.demand, len(full.stock))
    assert (full.stock.sum(axis=1) >= wanted).all()
    short = draw("tight", SIZES["1k"], 0, short_share=1.0)
    assert (short.stock.sum(axis=1) < wanted).any()
