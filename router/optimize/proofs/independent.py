"""What the proofs for split orders share: lines that do not touch each other."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from availability.model import IntArray
from router.identity_cache import by_identity
from router.model import Incomplete, Objective, Term
from router.optimize.problem import (
    Piece,
    Solution,
    SourcingProblem,
    check,
    is_limited,
)


class IndependentLines(NamedTuple):
    """Lines that ask for one SKU each, no two for the same, and can ship something.

    ``stock`` is ``(L, N)``, what each location could ship of each line; ``ships``
    is ``(L,)``, what the line ships in total in every optimum; ``lines`` are their
    indices in the problem.
    """

    stock: IntArray
    ships: IntArray
    lines: list[int]


def independent_lines(problem: SourcingProblem) -> IndependentLines | None:
    """Return the lines that can ship; None where lines depend on each other.

    Units are closed form: a line ships the least of what was ordered and what
    there is. Where ``incomplete`` forbids a part, it ships nothing, and under
    REJECT_ORDER so does every other.
    """
    if problem.origin is not None:
        return None
    rows = []
    for parts in problem.bom:
        if len(parts) != 1 or parts[0][1] != 1:
            return None
        rows.append(parts[0][0])
    if len(set(rows)) != len(rows):
        return None
    stock = problem.available
    if rows != list(range(len(stock))):
        stock = stock[rows]
    if problem.allowed is not None:
        stock = np.where(problem.allowed, stock, 0)
    demand = np.array(problem.demand)
    ships = np.minimum(demand, stock.sum(axis=1))
    if problem.incomplete is not Incomplete.PARTIAL:
        short = ships < demand
        if problem.incomplete is Incomplete.REJECT_ORDER:
            short[:] = short.any()
        ships[short] = 0
    if ships.all():
        return IndependentLines(stock, ships, list(range(len(rows))))
    active = np.flatnonzero(ships)
    return IndependentLines(stock[active], ships[active], active.tolist())


@by_identity
def plain_terms(objectives: tuple[Objective, ...]) -> tuple[Term, ...]:
    """Return the terms of a list without tolerances; of any other, none.

    ``incomplete_orders`` is passed over: with units at their best, whether any is
    missing is settled.
    """
    if any(objective.tolerant for objective in objectives):
        return ()
    return tuple(
        each.term for each in objectives if each.term is not Term.INCOMPLETE_ORDERS
    )


def matches(
    objectives: tuple[Objective, ...], sequences: tuple[tuple[Term, ...], ...]
) -> int | None:
    """Return the index of the sequence that an objective list is a beginning of.

    Tolerances match nothing.
    """
    terms = plain_terms(objectives)
    for index, sequence in enumerate(sequences):
        if terms and terms == sequence[: len(terms)]:
            return index
    return None


def if_allowed(problem: SourcingProblem, pieces: Iterable[Piece]) -> Solution | None:
    """Return the plan as the optimum if it keeps the limits left out so far.

    A plan that is optimal without a limit and keeps it is optimal with it.
    """
    plan = tuple(sorted(pieces))
    if is_limited(problem) and check(problem, plan):
        return None
    return Solution(plan, "exact")
