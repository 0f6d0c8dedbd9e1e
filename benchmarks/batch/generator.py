"""Seeded pending orders over shared stock: regimes x sizes.

What is drawn: numbers of lines and units as general merchandise has them, SKU
popularity by Zipf's law, 60 % of an order's further lines from the category of its
first, a few distribution centres (DCs) that hold most of the stock and stores that
hold a popular part of the assortment, 20 customer regions on the unit square whose
ranks are distance orders. `COVER` names the regimes by the median units in stock
per unit ordered. The split rates are the generator's own, not one retailer's.

`checksum` shows whether the drawn instances are those of the stored results: numpy may
change its streams between releases (NEP 19).
"""

import hashlib
from typing import NamedTuple

import numpy as np

from availability.model import IntArray
from router.optimize.batch.problem import BatchProblem

COVER = {"tight": 2.1, "medium": 5.0, "loose": 15.0, "deep": 40.0}
"""Median units in stock for each unit ordered, by regime."""

SEEDS = (0, 1, 2)
"""An instance is named regime-size-seed."""

SPLIT_RATES = 0.06, 0.15
"""Least and most share of the orders of a 10k that, answered one by one, are split:
outside, the instances would not be those of the trade. Tests hold the generator to
it."""

_DC_UNITS = {"tight": 0.70, "medium": 0.60, "loose": 0.60, "deep": 0.60}
"""Share of a SKU's units in DCs. Where stock is tight more of it is: at 60 %, 16 % of
the tight orders of seed 0 are split."""


class Size(NamedTuple):
    """Orders, locations and SKUs of an instance."""

    orders: int
    locations: int
    skus: int


SIZES = {
    "1k": Size(1_000, 20, 500),
    "10k": Size(10_000, 60, 3_000),
    "100k": Size(100_000, 100, 20_000),
    "1m": Size(1_000_000, 100, 100_000),
}

_SINGLE = 0.60
_LINES = (2, 3, 4, 5, 6, 7, 8, 9, 10)
_SHARE = (0.52, 0.22, 0.11, 0.055, 0.03, 0.02, 0.012, 0.008, 0.006)
_UNITS = (0.86, 0.10, 0.03, 0.01)
_ZIPF = 0.9
_CATEGORIES = 60
_SAME_CATEGORY = 0.6
_DCS = 6
_DENSITY = 0.12
_REGIONS = 20


def draw(regime: str, size: Size, seed: int, short_share: float = 0.0) -> BatchProblem:
    """Return one instance, always the same one.

    ``short_share`` is the share of SKUs whose stock may stay below the demand;
    for all others it is raised to the demand.
    """
    rng = np.random.default_rng([sorted(COVER).index(regime), *size, seed])
    start, sku, demand = _orders(rng, size)
    stock = _stock(rng, size, regime, sku, demand, short_share)
    customers = rng.random((_REGIONS, 1, 2))
    distance = np.linalg.norm(customers - rng.random((1, size.locations, 2)), axis=2)
    rank = distance.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    return BatchProblem(
        stock=stock,
        start=start,
        sku=sku,
        demand=demand,
        rank=rank.astype(np.int64),
        region=rng.integers(0, _REGIONS, size.orders),
    )


def checksum(problem: BatchProblem) -> str:
    """Return a short hash of all that was drawn."""
    digest = hashlib.sha256()
    columns = (problem.stock, problem.start, problem.sku, problem.demand)
    for column in (*columns, problem.rank, problem.region):
        if column is not None:
            digest.update(np.ascontiguousarray(column, dtype="<i8").tobytes())
    return digest.hexdigest()[:16]


def _orders(
    rng: np.random.Generator, size: Size
) -> tuple[IntArray, IntArray, IntArray]:
    """Return start, SKU and units of the lines."""
    orders, _, skus = size
    share = np.array([*_SHARE, 1 - sum(_SHARE)])
    lines = rng.choice([*_LINES, 0], size=orders, p=share)
    lines = np.where(lines == 0, rng.integers(11, 41, orders), lines)
    lines[rng.random(orders) < _SINGLE] = 1
    popularity = 1 / np.arange(1, skus + 1) ** _ZIPF
    category = rng.integers(0, _CATEGORIES, skus)
    by_category = np.argsort(category, kind="stable")
    ends = np.searchsorted(category[by_category], np.arange(_CATEGORIES + 1))
    weight_before = np.concatenate([[0.0], popularity[by_category].cumsum()])
    order_of = np.repeat(np.arange(orders), lines)
    total = len(order_of)
    sku = rng.choice(skus, total, p=popularity / popularity.sum())
    head = np.concatenate([[0], lines.cumsum()])[:-1]
    same = rng.random(total) < _SAME_CATEGORY
    same[head] = False
    # Within a category by popularity: invert the weights summed in its order.
    kind = category[sku[head]][order_of]
    low, high = weight_before[ends[kind]], weight_before[ends[kind + 1]]
    place = np.searchsorted(weight_before, low + rng.random(total) * (high - low)) - 1
    sku = np.where(same, by_category[np.clip(place, 0, skus - 1)], sku)
    demand = rng.choice([1, 2, 3, 4], size=total, p=_UNITS)
    # A SKU drawn twice in one order is one line with the units of the first.
    _, first = np.unique(order_of * skus + sku, return_index=True)
    first.sort()
    counts = np.bincount(order_of[first], minlength=orders)
    start = np.concatenate([[0], counts.cumsum()])
    return start.astype(np.int64), sku[first].astype(np.int64), demand[first]


def _stock(
    rng: np.random.Generator,
    size: Size,
    regime: str,
    sku: IntArray,
    demand: IntArray,
    short_share: float,
) -> IntArray:
    """Return ``(K, N)`` units: DCs are the first columns."""
    _, locations, skus = size
    wanted = np.bincount(sku, demand, skus)
    total = wanted * COVER[regime] * rng.lognormal(0.0, 0.5, skus)
    dcs = min(_DCS, locations // 2)
    share = np.arange(skus) / skus
    held_by = np.select([share < 0.05, share < 0.20, share < 0.50], [dcs, dcs // 2, 2])
    held_by = np.maximum(held_by, 1)
    turn = rng.random((skus, dcs)).argsort(axis=1)
    in_dc = (turn < held_by[:, None]) * rng.gamma(1.5, 1.0, (skus, dcs))
    density = _DENSITY * np.interp(share, [0, 0.2, 1], [1.6, 1.0, 0.4])
    in_store = rng.random((skus, locations - dcs)) < density[:, None]
    depth = in_store * rng.gamma(1.5, 1.0, in_store.shape)
    units = np.zeros((skus, locations))
    dc_units = total * np.where(depth.any(axis=1), _DC_UNITS[regime], 1.0)
    units[:, :dcs] = in_dc / in_dc.sum(axis=1, keepdims=True) * dc_units[:, None]
    weight = np.maximum(depth.sum(axis=1, keepdims=True), 1e-9)
    units[:, dcs:] = depth / weight * (total - dc_units)[:, None]
    # Fractions are rounded up or down at random, so that the sums are kept.
    stock = np.floor(units + rng.random(units.shape)).astype(np.int64)
    missing = np.maximum(0, wanted.astype(np.int64) - stock.sum(axis=1))
    missing[rng.random(skus) < short_share] = 0
    stock[np.arange(skus), in_dc.argmax(axis=1)] += missing
    return stock
