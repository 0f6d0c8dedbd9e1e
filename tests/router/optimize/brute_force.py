"""A second reading of docs/model.md, and the best of all plans by trying each.

Nothing here calls `check`, `score` or `key`: where this file and problem.py
disagree, one of them misread the document. Plans are judged many at a time, as
arrays ``(P, N, L)`` of line units, because twenty thousand small worlds are
tried in every run of the tests.
"""

import functools
import itertools
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from availability.model import BoolArray, IntArray
from router.model import Incomplete, SplitRung, Term
from router.optimize.problem import Piece, SourcingProblem

MAX_PLANS = 2_000_000
"""Most plans tried: a world with more is a mistake of the test."""

Vector = tuple[tuple[int, ...], ...]
"""One tuple for each objective; ``primary`` has 2 N numbers, others one."""


class Best(NamedTuple):
    """What no allowed plan can beat.

    ``levels`` are the optima an objective could have reached when its turn came,
    ``vector`` what the final plans are worth. They differ only where a tolerance
    was used. ``plans`` are all final plans, ``(P, N, L)``, and equally good.
    """

    levels: Vector
    vector: Vector
    plans: IntArray


def best_of_all(problem: SourcingProblem) -> Best:
    """Try every plan; return the best of those that the limits allow."""
    plans = allowed_plans(problem)
    levels: list[tuple[int, ...]] = []
    for objective in problem.objectives:
        costs = _costs(problem, objective.term, plans)
        level, best = _least(costs)
        levels.append(level)
        if objective.term is not Term.PRIMARY:
            spare = level[0] * objective.tolerance_permille // 1000
            best = costs[:, 0] <= level[0] + spare + objective.tolerance_amount
        plans = plans[best]
    for objective in problem.objectives:
        if objective.tolerance_permille or objective.tolerance_amount:
            plans = plans[_least(_costs(problem, objective.term, plans))[1]]
    return Best(_as_worth(problem, levels), worth(problem, plans[:1])[0], plans)


def worth(problem: SourcingProblem, plans: IntArray) -> list[Vector]:
    """Return the value of each plan under each objective, in the policy's order."""
    columns = [
        _costs(problem, objective.term, plans).tolist()
        for objective in problem.objectives
    ]
    return [_as_worth(problem, map(tuple, rows)) for rows in zip(*columns, strict=True)]


def components(problem: SourcingProblem, vector: Vector) -> dict[str, int]:
    """Return a vector by name, as `judge` reports it: no primary of the unused."""
    named: dict[str, int] = {}
    for objective, row in zip(problem.objectives, vector, strict=True):
        if objective.term is not Term.PRIMARY:
            named[objective.term.value] = row[0]
            continue
        pairs = zip(row[::2], row[1::2], strict=True)
        for place, (lines, units) in enumerate(pairs, start=1):
            if units:
                named[f"primary.{place}.lines"] = lines
                named[f"primary.{place}.units"] = units
    return named


def column(problem: SourcingProblem, plans: IntArray, name: str) -> IntArray:
    """Return one named component of each plan; a primary not there is 0."""
    if not name.startswith("primary"):
        return _single(problem, Term(name), plans)
    _, place, what = name.split(".")
    return _primary(plans)[:, 2 * int(place) - 2 + (what == "units")]


def rank_key(problem: SourcingProblem, plans: IntArray) -> list[tuple[int, ...]]:
    """Return for each plan a tuple that is smaller for the better one."""
    columns = [_costs(problem, each.term, plans) for each in problem.objectives]
    return [tuple(row) for row in np.concatenate(columns, axis=1).tolist()]


def as_plan(problem: SourcingProblem, pieces: Iterable[Piece]) -> IntArray:
    """Return pieces as an array of one plan, ``(1, N, L)``."""
    plan = np.zeros((1, problem.available.shape[1], len(problem.demand)), np.int64)
    for location, line, units in pieces:
        plan[0, location, line] += units
    return plan


def as_pieces(plan: IntArray) -> tuple[Piece, ...]:
    """Return one plan ``(N, L)`` as pieces in (location, line) order."""
    return tuple(
        Piece(int(n), int(line), int(plan[n, line])) for n, line in np.argwhere(plan)
    )


# --- Objectives -----------------------------------------------------------------


def _least(costs: IntArray) -> tuple[tuple[int, ...], BoolArray]:
    """Return the lexicographically least row and where it stands."""
    best = np.ones(len(costs), np.bool_)
    row = []
    for column in costs.T:
        least = int(column[best].min())
        best &= column == least
        row.append(least)
    return tuple(row), best


def _as_worth(problem: SourcingProblem, costs: Iterable[tuple[int, ...]]) -> Vector:
    """Give primary, which is maximised, its own sign again."""
    return tuple(
        tuple(-number for number in row) if objective.term is Term.PRIMARY else row
        for objective, row in zip(problem.objectives, costs, strict=True)
    )


def _costs(problem: SourcingProblem, term: Term, plans: IntArray) -> IntArray:
    """Return one row per plan, lexicographically smaller for the better one."""
    if term is Term.PRIMARY:
        return -_primary(plans)
    return _single(problem, term, plans)[:, None]


def _single(problem: SourcingProblem, term: Term, plans: IntArray) -> IntArray:
    """Return the value of each plan under a term of one number."""
    places = np.arange(1, plans.shape[1] + 1)
    used = _used(plans)
    missing = sum(problem.demand) - plans.sum(axis=(1, 2))
    value: IntArray
    match term:
        case Term.UNASSIGNED_UNITS:
            value = missing
        case Term.INCOMPLETE_ORDERS:
            value = (missing > 0).astype(np.int64)
        case Term.SPLIT_LINES:
            value = ((plans > 0).sum(axis=1) >= 2).sum(axis=1)
        case Term.SHIPMENTS:
            value = _used_origins(problem, plans).sum(axis=1)
        case Term.RANK:
            value = (used * places).sum(axis=1)
        case Term.MAX_RANK:
            value = (used * places).max(axis=1)
        case Term.DISTANCE_METERS:
            value = _over_origins(problem, problem.distance_meters, plans)
        case Term.COST_MICROS:
            value = _over_origins(problem, problem.shipment_cost_micros, plans)
            if problem.unit_cost_micros is not None:
                value = value + plans.sum(axis=2) @ problem.unit_cost_micros
        case Term.LATENESS_MINUTES:
            value = _over_origins(problem, problem.lateness_minutes, plans)
        case Term.WORKLOAD:
            value = _over_origins(problem, problem.workload, plans)
        case Term.PRIMARY:
            raise AssertionError("primary is many numbers")
    return value


def _primary(plans: IntArray) -> IntArray:
    """Return w1, u1, w2, u2… of each plan, zeros for the locations not used."""
    shipped = plans.sum(axis=1, keepdims=True)
    whole = ((plans > 0) & (plans == shipped)).sum(axis=2)
    units = plans.sum(axis=2)
    both = np.stack((whole, units), axis=2)
    order = np.lexsort((units, whole), axis=1)[:, ::-1]
    return np.take_along_axis(both, order[:, :, None], axis=1).reshape(len(plans), -1)


def _used(plans: IntArray) -> BoolArray:
    used: BoolArray = np.any(plans > 0, axis=2)
    return used


def _membership(problem: SourcingProblem) -> IntArray:
    """Return (N, O): 1 where the location ships from the origin."""
    locations = problem.available.shape[1]
    if problem.origin is None:
        return np.eye(locations, dtype=np.int64)
    origins = int(problem.origin.max()) + 1
    return np.eye(origins, dtype=np.int64)[problem.origin]


def _used_origins(problem: SourcingProblem, plans: IntArray) -> BoolArray:
    used: BoolArray = (_used(plans).astype(np.int64) @ _membership(problem)) > 0
    return used


def _over_origins(
    problem: SourcingProblem, each: IntArray | None, plans: IntArray
) -> IntArray:
    """Sum a figure over the used origins of each plan; None is zero everywhere."""
    if each is None:
        return np.zeros(len(plans), np.int64)
    used = _used_origins(problem, plans)
    return used.astype(np.int64) @ each[: used.shape[1]]


# --- Limits ---------------------------------------------------------------------


def keeps(problem: SourcingProblem, plans: IntArray) -> dict[int, BoolArray]:
    """Return for each numbered limit of docs/model.md the plans that keep it."""
    return {number: limit(problem, plans) for number, limit in _LIMITS.items()}


def _keeps_demand(problem: SourcingProblem, plans: IntArray) -> BoolArray:
    return _every(plans.sum(axis=1) <= np.array(problem.demand))


def _all(plans: IntArray) -> BoolArray:
    return np.ones(len(plans), np.bool_)


def _every(holds: BoolArray) -> BoolArray:
    """Return the plans for which it holds everywhere; plans are the first axis."""
    every: BoolArray = np.all(holds, axis=tuple(range(1, holds.ndim)))
    return every


def _bom(problem: SourcingProblem) -> IntArray:
    """Return (L, K): units of each SKU in one unit of the line."""
    bom = np.zeros((len(problem.demand), problem.available.shape[0]), np.int64)
    for line, components in enumerate(problem.bom):
        for sku, units in components:
            bom[line, sku] += units
    return bom


def _frozen(problem: SourcingProblem) -> IntArray:
    """Return (N, L) units that stay where they are."""
    frozen: IntArray = as_plan(problem, problem.frozen)[0]
    return frozen


def _keeps_stock(problem: SourcingProblem, plans: IntArray) -> BoolArray:
    taken = plans @ _bom(problem)
    return _every(taken <= problem.available.T)


def _keeps_refusals(problem: SourcingProblem, plans: IntArray) -> BoolArray:
    if problem.allowed is None:
        return _all(plans)
    return _every((plans == 0) | problem.allowed.T)


def _keeps_capacity(problem: SourcingProblem, plans: IntArray) -> BoolArray:
    if problem.capacity_units is None:
        return _all(plans)
    leaving = plans @ _bom(problem).sum(axis=1)
    return _every(leaving <= problem.capacity_units)


def _keeps_shipments(problem: SourcingProblem, plans: IntArray) -> BoolArray:
    if problem.max_shipments == 0:
        return _all(plans)
    kept: BoolArray = _used_origins(problem, plans).sum(axis=1) <= problem.max_shipments
    return kept


def _keeps_rung(problem: SourcingProblem, plans: IntArray) -> BoolArray:
    kept: BoolArray
    match problem.split_rung:
        case SplitRung.NO_SPLIT:
            kept = _used(plans).sum(axis=1) <= 1
        case SplitRung.LINE_SPLIT:
            kept = ((plans > 0).sum(axis=1) <= 1).all(axis=1)
        case SplitRung.QUANTITY_SPLIT:
            kept = _all(plans)
    return kept


def _keeps_indivisible(problem: SourcingProblem, plans: IntArray) -> BoolArray:
    kept = _all(plans)
    for line in problem.indivisible:
        here = plans[:, :, line]
        whole = (here == 0) | (here == problem.demand[line])
        kept &= whole.all(axis=1) & ((here > 0).sum(axis=1) <= 1)
    return kept


def _keeps_groups(problem: SourcingProblem, plans: IntArray) -> BoolArray:
    kept = _all(plans)
    for group in problem.groups:
        lines = list(group)
        here = plans[:, :, lines]
        whole = np.array([problem.demand[line] for line in lines])
        together = (here == whole).all(axis=2).any(axis=1)
        kept &= together | (here == 0).all(axis=(1, 2))
    return kept


def _keeps_values(problem: SourcingProblem, plans: IntArray) -> BoolArray:
    if problem.min_split_value_micros == 0:
        return _all(plans)
    value = np.array(problem.unit_value_micros or [0] * len(problem.demand))
    used = _used_origins(problem, plans)
    micros = (plans @ value) @ _membership(problem)
    small = used & (micros < problem.min_split_value_micros)
    kept: BoolArray = (used.sum(axis=1) < 2) | ~small.any(axis=1)
    return kept


def _keeps_frozen(problem: SourcingProblem, plans: IntArray) -> BoolArray:
    return _every(plans >= _frozen(problem))


def _keeps_incomplete(problem: SourcingProblem, plans: IntArray) -> BoolArray:
    shipped = plans.sum(axis=1)
    full = shipped == np.array(problem.demand)
    picked = shipped == _frozen(problem).sum(axis=0)
    kept: BoolArray
    match problem.incomplete:
        case Incomplete.PARTIAL:
            kept = _all(plans)
        case Incomplete.DROP_LINE:
            kept = (full | picked).all(axis=1)
        case Incomplete.REJECT_ORDER:
            kept = full.all(axis=1) | picked.all(axis=1)
    return kept


_LIMITS: dict[int, Callable[[SourcingProblem, IntArray], BoolArray]] = {
    1: _keeps_demand,
    2: _keeps_stock,
    3: _keeps_refusals,
    4: _keeps_capacity,
    5: _keeps_shipments,
    6: _keeps_rung,
    7: _keeps_indivisible,
    8: _keeps_groups,
    9: _keeps_values,
    10: _keeps_frozen,
    11: _keeps_incomplete,
}
_LASTING = (1, 2, 3, 4, 5, 6, 7)
"""Limits that a plan of one line breaks for good: no other line can mend it."""


# --- Every plan -----------------------------------------------------------------


def allowed_plans(problem: SourcingProblem, prune: bool = True) -> IntArray:
    """Return every plan that the limits allow, ``(P, N, L)``.

    ``prune`` leaves out early what breaks a limit by itself; without it every
    combination is judged whole, which is slower and must give the same plans.
    """
    plans = np.zeros((1, problem.available.shape[1], len(problem.demand)), np.int64)
    for line in range(len(problem.demand)):
        ways = _ways(problem, line)
        if prune:
            ways = ways[_kept(problem, ways, _LASTING)]
        count = len(plans) * len(ways)
        assert count <= MAX_PLANS, f"{count} plans are too many to try"
        plans = (plans[:, None] + ways).reshape(count, *plans.shape[1:])
    allowed: IntArray = plans[_kept(problem, plans, _LIMITS)]
    assert len(allowed), "a problem always has a plan: that of its frozen pieces"
    return allowed


def _kept(
    problem: SourcingProblem, plans: IntArray, numbers: Iterable[int]
) -> BoolArray:
    kept = _all(plans)
    for number in numbers:
        kept &= _LIMITS[number](problem, plans)
    return kept


def _ways(problem: SourcingProblem, line: int) -> IntArray:
    """Return every way to ship some of one line and nothing else, ``(W, N, L)``."""
    ways = _compositions(problem.available.shape[1], problem.demand[line])
    plans = np.zeros((*ways.shape, len(problem.demand)), np.int64)
    plans[:, :, line] = ways
    return plans


@functools.lru_cache(maxsize=256)
def _compositions(locations: int, units: int) -> IntArray:
    """Return every way to ship at most ``units`` from ``locations``, ``(W, N)``."""
    every = itertools.product(range(units + 1), repeat=locations)
    table = np.array([way for way in every if sum(way) <= units], np.int64)
    table.flags.writeable = False
    return table
