"""Large orders: many at once are answered as each alone, and no bound is too high."""

import itertools

import numpy as np
import pytest
from ortools.math_opt.python import mathopt

from availability.model import IntArray
from router.optimize.batch.pricing.ascent import ascend, bound, improve, shift_of
from router.optimize.batch.pricing.blocks import NEVER
from router.optimize.batch.pricing.branch import Branching, pieces, search
from router.optimize.batch.pricing.drop import Lines, best_of, ship
from router.optimize.batch.pricing.large import Large

SHIPMENT = 2**20


def some(seed: int) -> Large:
    """Return orders of 3 to 14 lines, padded, on scattered stock."""
    rng = np.random.default_rng(seed)
    orders, skus, locations = 40, 30, 12
    counts = np.sort(rng.integers(3, 15, orders))[::-1]
    sku = np.full((orders, counts[0]), -1)
    demand = np.zeros_like(sku)
    for at, count in enumerate(counts.tolist()):
        sku[at, :count] = rng.choice(skus, count, replace=False)
        demand[at, :count] = rng.choice([1, 2, 3], count, p=[0.8, 0.15, 0.05])
    stock = rng.integers(1, 5, (skus, locations))
    stock *= rng.random((skus, locations)) < 0.3
    price = rng.integers(0, SHIPMENT // 3, (skus, locations))
    if seed % 2:
        price[:] = 0
    fixed = np.full((1, locations), SHIPMENT)
    return Large(sku, demand, price, stock, fixed, int(rng.integers(0, 2)) * SHIPMENT)


def everywhere(orders: int) -> IntArray:
    """Return all locations for each order."""
    return np.arange(12)[None, :].repeat(orders, axis=0)


@pytest.mark.parametrize("seed", range(6))
def test_what_an_order_gets_does_not_depend_on_the_others(seed: int) -> None:
    large = some(seed)
    found = Branching(large).run(30)
    row, line, location, units = pieces(
        large, np.flatnonzero(found.value < NEVER), found
    )
    for at, count in enumerate(np.count_nonzero(large.demand, axis=1).tolist()):
        skus = large.sku[at, :count]
        alone = search(
            large.demand[at, :count],
            large.price[skus],
            large.stock[skus],
            large.fixed[0],
            large.split_cost,
            30,
        )
        assert (alone.bound, alone.value) == (found.bound[at], found.value[at])
        mine = row == at
        columns = (line[mine], location[mine], units[mine])
        rows = zip(*(column.tolist() for column in columns), strict=True)
        assert tuple(rows) == alone.pieces


def test_only_locations_with_something_of_an_order_are_looked_at() -> None:
    large = some(1)
    rng = np.random.default_rng(1)
    stock = large.stock * (rng.random(large.stock.shape) < 0.2)
    allowed = rng.random((len(large.demand), 12)) < 0.7
    large = large._replace(stock=stock, allowed=allowed)
    where = large.useful()
    for skus, demand, may, row in zip(
        large.sku, large.demand, allowed, where, strict=True
    ):
        there = (stock[skus[demand > 0]] > 0).any(axis=0) & may
        wanted = np.flatnonzero(there).tolist()
        assert row.tolist() == wanted + [-1] * (where.shape[1] - len(wanted))
    assert 2 < where.shape[1] < 12
    found = Branching(large).run(30)
    some_ship = np.flatnonzero(found.value < NEVER)
    row, _, location, _ = pieces(large, some_ship, found)
    assert allowed[row, location].all()
    nothing = Branching(large._replace(stock=np.zeros_like(stock))).run(30)
    assert (nothing.bound >= NEVER).all()


@pytest.mark.parametrize("seed", range(6))
def test_bounds_are_below_what_every_set_of_locations_costs(seed: int) -> None:
    large = some(seed)
    orders = np.arange(len(large.demand))
    lines = large.lines_of(orders, everywhere(len(orders)))
    cheapest = np.full(len(orders), NEVER)
    for size in range(1, 6):
        for these in itertools.combinations(range(12), size):
            chosen = np.zeros((len(orders), 12), dtype=bool)
            chosen[:, these] = True
            cheapest = np.minimum(cheapest, ship(lines, chosen).value)
    few = np.flatnonzero(cheapest < 6 * SHIPMENT)
    assert len(few) > 3
    found = Branching(large).run(200)
    assert (found.bound[few] <= cheapest[few]).all()
    assert (found.value[few] >= found.bound[few]).all()
    near = found.value[few] - found.bound[few] <= 256
    assert near.mean() > 0.9
    assert (found.value[few][near] <= cheapest[few][near]).all()


def test_any_prices_prove_a_bound_and_the_search_finds_better_ones() -> None:
    large = some(2)
    orders = np.arange(len(large.demand))
    lines = large.lines_of(orders, everywhere(len(orders)))
    whole = np.flatnonzero((lines.give.sum(axis=2) >= lines.demand).all(axis=1))
    lines = lines.at(whole)
    value, _, _ = best_of(lines, np.ones_like(lines.fixed, dtype=bool))
    shift = shift_of(lines.fixed)
    first = ascend(lines, shift)
    opened = np.zeros(lines.fixed.shape, dtype=bool)
    better, _ = improve(lines, opened, first, value, shift, 30)
    low, high = (
        bound(lines, price.astype(np.int64) << shift) for price in (first, better)
    )
    assert (low <= high).all()
    assert (high <= value).all()
    assert high.sum() > low.sum()
    wild = np.random.default_rng(0).integers(0, 4 * SHIPMENT, lines.demand.shape)
    assert (bound(lines, wild) <= value).all()


def wide(seed: int) -> tuple[IntArray, IntArray]:
    """Return what 50 lines want, and what 80 locations, that have few of them, give."""
    rng = np.random.default_rng(seed)
    demand = rng.choice([1, 2], 50, p=[0.9, 0.1])
    # Some lines nearly everywhere, others at one or two locations.
    often = rng.choice([0.02, 0.05, 0.2], 50, p=[0.5, 0.3, 0.2])
    stock = (rng.random((50, 80)) < often[:, None]) * demand[:, None]
    stock[np.arange(50), rng.integers(0, 80, 50)] = demand
    return demand, stock


def linear_programme(demand: IntArray, give: IntArray) -> float:
    """Return the least shipments, where a part of a location may ship."""
    model = mathopt.Model()
    opened = [model.add_variable(lb=0, ub=1) for _ in range(give.shape[1])]
    for line, wanted in enumerate(demand.tolist()):
        parts = []
        for at in np.flatnonzero(give[line]).tolist():
            part = model.add_variable(lb=0)
            model.add_linear_constraint(part <= int(give[line, at]) * opened[at])
            parts.append(part)
        model.add_linear_constraint(mathopt.fast_sum(parts) >= wanted)
    model.minimize(mathopt.fast_sum(opened))
    value: float = mathopt.solve(model, mathopt.SolverType.GLOP).objective_value()
    return value


@pytest.mark.parametrize("seed", range(4))
def test_many_lines_over_scattered_stock_prove_what_the_linear_programme_does(
    seed: int,
) -> None:
    """Far from it a branching proves nothing in any time."""
    demand, give = wide(seed)
    fixed = np.full(give.shape[1], SHIPMENT)
    least = linear_programme(demand, give)

    root = search(demand, np.zeros_like(give), give, fixed, 0, 1)
    found = search(demand, np.zeros_like(give), give, fixed, 0, 40)

    # Shipments are whole, so bounds are rounded up.
    assert 0.93 * least <= root.bound / SHIPMENT <= np.ceil(least)
    assert found.bound >= root.bound
    assert found.value <= 1.07 * found.bound


def test_what_does_not_pay_is_dropped() -> None:
    lines = Lines(
        demand=np.array([[1, 2]]),
        cost=np.array([[[5, 0, 9], [5, NEVER, 0]]]),
        give=np.array([[[1, 1, 1], [2, 0, 1]]]),
        fixed=np.array([[10, 10, 10]]),
        split_cost=3,
    )
    value, used, units = best_of(lines, np.ones((1, 3), dtype=bool))
    assert value.tolist() == [5 + 10 + 10]
    assert used.tolist() == [[True, False, False]]
    assert units.tolist() == [[3, 0, 0]]
    assert ship(lines, np.array([[False, True, True]])).value.tolist() == [NEVER]
