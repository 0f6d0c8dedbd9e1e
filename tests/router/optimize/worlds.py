"""Small worlds to route in, drawn from a seed.

`tiny` worlds can be tried plan by plan, `medium` ones cannot. In both, even
seeds give *plain* worlds (distinct SKUs, no side limits, the presets), which the
fast proofs are for; odd seeds mix everything that docs/model.md speaks of.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from availability.model import IntArray
from router.model import Incomplete, Objective, SplitRung, Term
from router.optimize.problem import UNLIMITED, Piece, SourcingProblem
from router.policies import PRESETS

MODELLED = tuple(policy for policy in PRESETS.values() if policy.walk is None)
"""The presets that have an optimum: a walk only measures."""
FEATURE_CHANCE = 0.2
FREEZE_TRIES = 8
"""Draws of frozen pieces before a world goes without: most break a limit."""

Bom = tuple[tuple[tuple[int, int], ...], ...]
Feature = Callable[[Random, SourcingProblem], SourcingProblem]


class Size(NamedTuple):
    """How large a world may be: the least and the most of each."""

    locations: tuple[int, int]
    lines: tuple[int, int]
    units: tuple[int, int]


TINY = Size((1, 4), (1, 3), (1, 3))
MEDIUM = Size((5, 25), (2, 8), (1, 6))


def tiny(seed: int) -> SourcingProblem:
    """Return a world of at most 4 locations, 3 lines and 3 units a line."""
    return _world(Random(seed), TINY, is_plain(seed))


def medium(seed: int) -> SourcingProblem:
    """Return a world of 5 to 25 locations and 2 to 8 lines."""
    return _world(Random(seed), MEDIUM, is_plain(seed))


def is_plain(seed: int) -> bool:
    """Whether `tiny` and `medium` give a plain world for the seed."""
    return seed % 2 == 0


def preset_of(problem: SourcingProblem) -> str:
    """Return the name of the preset that a plain world is judged by."""
    return next(p.name for p in MODELLED if p.objectives == problem.objectives)


def problems(size: Size = TINY) -> st.SearchStrategy[SourcingProblem]:
    """Return worlds for hypothesis, plain or featured; they shrink."""
    rngs = st.randoms(use_true_random=False)
    return st.builds(_world, rngs, st.just(size), st.booleans())


def plans_in(rng: Random, allowed: IntArray, count: int) -> IntArray:
    """Return plans near the allowed ones, ``(P, N, L)``: allowed, almost, not at all.

    ``allowed`` are allowed plans of the world; ``count`` of each kind are drawn.
    """
    kept = allowed[rng.choices(range(len(allowed)), k=count)]
    nudged, wild = kept.copy(), np.zeros_like(kept)
    _, locations, lines = kept.shape
    for plan in range(count):
        for _ in range(rng.randint(1, 3)):
            cell = plan, rng.randrange(locations), rng.randrange(lines)
            nudged[cell] = max(0, nudged[cell] + rng.choice((-2, -1, 1, 2)))
            wild[plan, rng.randrange(locations), rng.randrange(lines)] = rng.randint(
                1, 4
            )
    return np.concatenate((kept, nudged, wild))


def _world(rng: Random, size: Size, plain: bool) -> SourcingProblem:
    locations, lines = _large(rng, size.locations), _large(rng, size.lines)
    demand = tuple(rng.randint(*size.units) for _ in range(lines))
    bom = _one_each(lines) if plain else _catalogue(rng, lines)
    policy = rng.choice(MODELLED)
    problem = SourcingProblem(
        available=_stock(rng, demand, bom, locations),
        demand=demand,
        bom=bom,
        objectives=policy.objectives,
    )
    if plain:
        return _figures(rng, problem)
    for feature in _FEATURES:
        if rng.random() < FEATURE_CHANCE:
            problem = feature(rng, problem)
    if rng.random() < 0.5:
        problem = replace(problem, objectives=_custom(rng))
    problem = _figures(rng, problem)
    if rng.random() < FEATURE_CHANCE:
        problem = _freeze(rng, problem)
    return problem


def _large(rng: Random, span: tuple[int, int]) -> int:
    """Draw from a span, the upper half more often: there is more to get wrong."""
    return max(rng.randint(*span), rng.randint(*span))


# --- Lines and stock ------------------------------------------------------------


def _one_each(lines: int) -> Bom:
    return tuple(((sku, 1),) for sku in range(lines))


def _catalogue(rng: Random, lines: int) -> Bom:
    """Return ordinary lines, lines that share SKUs, or kits that share parts."""
    kind = rng.randrange(3)
    if kind == 0:
        return _one_each(lines)
    skus = range(rng.randint(1, 3))
    if kind == 1:
        return tuple(((rng.choice(skus), 1),) for _ in range(lines))
    return tuple(
        tuple(
            (sku, rng.choice((1, 1, 2)))
            for sku in sorted(rng.sample(skus, rng.randint(1, len(skus))))
        )
        for _ in range(lines)
    )


def _stock(rng: Random, demand: Sequence[int], bom: Bom, locations: int) -> IntArray:
    """Return ``(K, N)`` stock, each SKU anything from next to none to plenty."""
    wanted = [0] * (1 + max(sku for parts in bom for sku, _ in parts))
    for units, parts in zip(demand, bom, strict=True):
        for sku, per_unit in parts:
            wanted[sku] += units * per_unit
    draws = (_scarce, _even, _plenty, _all_or_none, _dealt)
    # One manner for most of the SKUs: worlds of plenty, worlds of shortage.
    usual = rng.choice(draws)
    rows = [
        (usual if rng.random() < 0.6 else rng.choice(draws))(rng, units, locations)
        for units in wanted
    ]
    return np.array(rows, np.int64)


def _scarce(rng: Random, units: int, locations: int) -> list[int]:
    return [rng.choice((0, 0, 1, (units + 1) // 2)) for _ in range(locations)]


def _even(rng: Random, units: int, locations: int) -> list[int]:
    return [rng.randint(0, units + 1) for _ in range(locations)]


def _plenty(rng: Random, units: int, locations: int) -> list[int]:
    return [units + rng.randint(0, 2) for _ in range(locations)]


def _all_or_none(rng: Random, units: int, locations: int) -> list[int]:
    """Return stock as stores have it: orders must split, lines need not."""
    return [units if rng.random() < 0.4 else 0 for _ in range(locations)]


def _dealt(rng: Random, units: int, locations: int) -> list[int]:
    """Deal out exactly what is ordered: every unit is needed, lines must split."""
    stock = [0] * locations
    for _ in range(units):
        stock[rng.randrange(locations)] += 1
    return stock


# --- What plans are judged by ---------------------------------------------------


def _figures(rng: Random, problem: SourcingProblem) -> SourcingProblem:
    """Give costs and distances: small, so that plans often tie, or large."""
    span = rng.choice((1, 12, 12, 1000))
    locations = problem.available.shape[1]
    origins = locations if problem.origin is None else int(problem.origin.max()) + 1

    def each(count: int) -> IntArray | None:
        if rng.random() < 0.1:
            return None
        return np.array([rng.randint(0, span) for _ in range(count)], np.int64)

    return replace(
        problem,
        distance_meters=each(origins),
        shipment_cost_micros=each(origins),
        lateness_minutes=each(origins),
        workload=each(origins),
        unit_cost_micros=each(locations),
    )


def _custom(rng: Random) -> tuple[Objective, ...]:
    """Return any terms in any order; most policies assign first, some do not."""
    terms = list(Term)
    rng.shuffle(terms)
    first = rng.choice((*[Term.UNASSIGNED_UNITS] * 9, Term.INCOMPLETE_ORDERS, terms[0]))
    terms.remove(first)
    rest = terms[: rng.choice((0, 1, 2, 3, 4, 5, 10))]
    return tuple(_objective(rng, term) for term in (first, *rest))


def _objective(rng: Random, term: Term) -> Objective:
    if term is Term.PRIMARY or rng.random() < 0.5:
        return Objective(term)
    amount = rng.choice((0, 1, 1, 2, 7))
    if term in (Term.UNASSIGNED_UNITS, Term.INCOMPLETE_ORDERS):
        # Much of these, and the best plan is to ship nothing.
        return Objective(term, rng.choice((0, 300)), min(amount, 1))
    return Objective(term, rng.choice((0, 50, 300, 1000)), amount)


# --- Side limits ----------------------------------------------------------------


def _tolerances(rng: Random, problem: SourcingProblem) -> SourcingProblem:
    objectives = tuple(_objective(rng, each.term) for each in problem.objectives)
    return replace(problem, objectives=objectives)


def _origins(rng: Random, problem: SourcingProblem) -> SourcingProblem:
    locations = problem.available.shape[1]
    drawn = [rng.randrange(max(1, locations - 1)) for _ in range(locations)]
    return replace(problem, origin=np.unique(drawn, return_inverse=True)[1])


def _refusals(rng: Random, problem: SourcingProblem) -> SourcingProblem:
    shape = len(problem.demand), problem.available.shape[1]
    allowed = [[rng.random() < 0.8 for _ in range(shape[1])] for _ in range(shape[0])]
    return replace(problem, allowed=np.array(allowed, np.bool_))


def _capacity(rng: Random, problem: SourcingProblem) -> SourcingProblem:
    most = sum(
        units * sum(per_unit for _, per_unit in parts)
        for units, parts in zip(problem.demand, problem.bom, strict=True)
    )
    capacity = [
        UNLIMITED if rng.random() < 0.3 else rng.randint(0, most)
        for _ in range(problem.available.shape[1])
    ]
    return replace(problem, capacity_units=np.array(capacity, np.int64))


def _shipments(rng: Random, problem: SourcingProblem) -> SourcingProblem:
    return replace(problem, max_shipments=rng.randint(1, 3))


def _rung(rng: Random, problem: SourcingProblem) -> SourcingProblem:
    return replace(problem, split_rung=rng.choice(list(SplitRung)))


def _incomplete(rng: Random, problem: SourcingProblem) -> SourcingProblem:
    return replace(problem, incomplete=rng.choice(list(Incomplete)))


def _groups(rng: Random, problem: SourcingProblem) -> SourcingProblem:
    """Group most lines: one group of several, sometimes a second or one of one."""
    lines = list(range(len(problem.demand)))
    rng.shuffle(lines)
    first = rng.randint(1, len(lines))
    second = rng.randint(first, len(lines)) if rng.random() < 0.5 else first
    groups = (tuple(sorted(lines[:first])), tuple(sorted(lines[first:second])))
    return replace(problem, groups=tuple(group for group in groups if group))


def _indivisible(rng: Random, problem: SourcingProblem) -> SourcingProblem:
    lines = range(len(problem.demand))
    return replace(
        problem, indivisible=frozenset(rng.choices(lines, k=rng.randint(1, 2)))
    )


def _values(rng: Random, problem: SourcingProblem) -> SourcingProblem:
    values = tuple(rng.randint(0, 4) for _ in problem.demand)
    return replace(
        problem,
        unit_value_micros=values,
        min_split_value_micros=rng.randint(1, 2 * sum(problem.demand)),
    )


_FEATURES: tuple[Feature, ...] = (
    _tolerances,
    _origins,
    _refusals,
    _capacity,
    _shipments,
    _rung,
    _incomplete,
    _groups,
    _indivisible,
    _values,
)


def _freeze(rng: Random, problem: SourcingProblem) -> SourcingProblem:
    """Freeze a few pieces that the limits allow."""
    locations, lines = problem.available.shape[1], len(problem.demand)
    for _ in range(FREEZE_TRIES):
        cells = rng.sample(
            range(locations * lines), min(rng.choice((1, 1, 2)), locations * lines)
        )
        pieces = [
            Piece(
                cell // lines,
                cell % lines,
                rng.randint(1, problem.demand[cell % lines]),
            )
            for cell in sorted(cells)
        ]
        try:
            return replace(problem, frozen=tuple(pieces))
        except ValueError:
            continue
    return problem
