import numpy as np
import pytest

from benchmarks.batch import baskets
from benchmarks.batch.generator import checksum
from benchmarks.batch.instances import CHECKSUMS, stored
from router.optimize.batch.problem import BatchProblem

WEEK = 30


@pytest.fixture(scope="module")
def problem() -> BatchProblem:
    return baskets.week(WEEK)


def test_the_panel_is_the_one_that_is_documented() -> None:
    year = baskets.panel()
    assert len(year.rank) == 457
    assert len(year.week) == 1_443_269
    assert len(np.unique(year.basket)) == 141_087
    assert year.units.min() == 1
    assert np.bincount(np.unique(year.basket, return_inverse=True)[1]).max() == 161


def test_a_week_is_the_one_whose_results_are_stored(problem: BatchProblem) -> None:
    assert checksum(problem) == stored(CHECKSUMS)[f"baskets-{WEEK}"]


def test_a_basket_is_an_order_of_its_store(problem: BatchProblem) -> None:
    year = baskets.panel()
    now = year.week == WEEK
    assert problem.orders == len(np.unique(year.basket[now]))
    assert problem.demand.sum() == year.units[now].sum()
    assert problem.region is not None
    stores = problem.region[problem.order_of]
    assert (stores == year.store[now]).all()


def test_stock_is_what_was_sold_before_and_never_after(problem: BatchProblem) -> None:
    year = baskets.panel()
    products = np.unique(year.product[year.week == WEEK])
    low = baskets.week(WEEK, raise_short=False).stock
    for at in np.random.default_rng(0).integers(0, len(products), 50).tolist():
        sold = year.product == products[at]
        sold &= (year.week >= WEEK - baskets.PAST_WEEKS) & (year.week < WEEK)
        units = np.bincount(year.store[sold], year.units[sold], 457).astype(np.int64)
        share = baskets.COVER_WEEKS / baskets.PAST_WEEKS
        assert low[at].tolist() == np.ceil(units * share).tolist()
    assert (low <= problem.stock).all()


def test_what_is_short_is_raised_at_its_own_store_to_the_demand_and_no_further(
    problem: BatchProblem,
) -> None:
    short = baskets.week(WEEK, raise_short=False)
    wanted = np.bincount(problem.sku, problem.demand, len(problem.stock))
    low = short.stock.sum(axis=1)
    assert (low < wanted).any()
    assert problem.stock.sum(axis=1).tolist() == np.maximum(low, wanted).tolist()
    assert problem.region is not None
    raised_sku, raised_at = np.nonzero(problem.stock - short.stock)
    own = set(
        zip(
            problem.sku.tolist(),
            problem.region[problem.order_of].tolist(),
            strict=True,
        )
    )
    assert set(zip(raised_sku.tolist(), raised_at.tolist(), strict=True)) <= own


def test_the_first_are_served_and_the_last_are_short() -> None:
    sku, demand = np.array([0, 1, 0, 0, 1]), np.array([2, 1, 3, 1, 1])
    missing = baskets._short(sku, demand, np.array([4, 9]))
    assert missing.tolist() == [0, 0, 1, 1, 0]


def test_a_list_begins_with_the_store_itself_and_then_its_customers_others() -> None:
    # Households 0 and 1 shop at stores 0 and 2; 2 at 1; 3, 4 and 5 at 1 and 2.
    household = np.array([0, 0, 1, 1, 2, 3, 3, 4, 4, 5, 5])
    store = np.array([0, 2, 0, 2, 1, 1, 2, 1, 2, 1, 2])
    rank = baskets._lists(household, store, 3)
    assert rank.tolist() == [[0, 2, 1], [2, 0, 1], [2, 1, 0]]


@pytest.mark.parametrize("number", [baskets.FIRST_WEEK - 1, baskets.LAST_WEEK + 1])
def test_a_week_without_enough_before_it_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="is not in"):
        baskets.week(number)
