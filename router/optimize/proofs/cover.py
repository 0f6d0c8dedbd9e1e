"""The proof for split orders: the fewest locations, the busiest first.

For the objectives ``unassigned_units, [max_rank,] split_lines, shipments,
primary, rank`` over independent lines, three facts make the optimum
combinatorial:

1. A line ships ``t = min(demand, sum of stock)`` units whatever else happens, and
   must be split exactly when no location holds ``t``. So units and split lines
   are closed form.
2. The fewest locations are a minimum set cover over bitmasks: bit ``l`` of a
   location's mask says that it can ship line ``l`` whole. Lines that must be
   split are knapsack-cover demands beside it (`router.optimize.proofs.forced`).
3. In a minimum cover no location is idle, so what the busiest location ships does
   not depend on the others: all it can. Taking the best first location that
   leaves a coverable rest, then the next, gives the best ``primary``; ties are
   all explored.

Every further limit is ignored here and checked afterwards: a plan that is
optimal without a limit and keeps it is optimal with it. If it does not, the
proof declines.
"""

from collections.abc import Sequence

import numpy as np

from availability.model import BoolArray, IntArray
from router.model import Term
from router.optimize.limits import SolveLimits
from router.optimize.problem import Piece, Solution, SourcingProblem
from router.optimize.proofs.forced import ForcedSearch
from router.optimize.proofs.independent import if_allowed, independent_lines, matches
from router.optimize.proofs.node_budget import (
    MASKS_PER_NODE,
    Budget,
    OutOfNodesError,
    bits,
)

_BITS = 62
"""Lines whose mask fits a numpy integer; beyond, Python's own integers serve."""
_FEW_LINES = 10
_POWERS = 1 << np.arange(_BITS, dtype=np.int64)

_AFTER_UNITS = (Term.SPLIT_LINES, Term.SHIPMENTS, Term.PRIMARY, Term.RANK)
SEQUENCES = (
    (Term.UNASSIGNED_UNITS, *_AFTER_UNITS),
    (Term.UNASSIGNED_UNITS, Term.MAX_RANK, *_AFTER_UNITS),
)
PREFIX = 1
"""Index of the sequence that first asks for the shortest prefix of locations."""

Step = tuple[int, int]
"""A location, and the bitmask of the lines it ships."""


def solve_cover(problem: SourcingProblem, limits: SolveLimits) -> Solution | None:
    """Return the proven best plan of a split order, or None.

    Parameters
    ----------
    problem
        Any; answered are beginnings of the objective lists above over lines that
        ask for one SKU each, no SKU twice, with no shared origins.
    limits
        ``nodes`` bounds the search.

    Returns
    -------
    Solution | None
        None where the proof does not apply or ran out of nodes.

    References
    ----------
    Beasley, J. E. (1987). An algorithm for set covering problem. European Journal
    of Operational Research 31(1): 85-93.
    """
    order = matches(problem.objectives, SEQUENCES)
    if order is None:
        return None
    found = independent_lines(problem)
    if found is None:
        return None
    stock, ships, lines = found
    if not lines:
        return if_allowed(problem, problem.frozen)
    if order == PREFIX:
        stock = prefix_of(stock, ships)
    try:
        return if_allowed(problem, _plan(stock, ships, lines, Budget(limits.nodes)))
    except OutOfNodesError:
        return None


def prefix_of(stock: IntArray, ships: IntArray) -> IntArray:
    """Return the shortest prefix of the columns that holds enough of every line."""
    reached = stock.cumsum(axis=1) >= ships[:, None]
    return stock[:, : int(reached.argmax(axis=1).max()) + 1]


def _plan(
    stock: IntArray, ships: IntArray, lines: Sequence[int], budget: Budget
) -> list[Piece]:
    """Return the best pieces for ``ships`` units of each line, all reachable."""
    whole: BoolArray = stock >= ships[:, None]
    can: BoolArray = np.any(whole, axis=1)
    if not can.all():
        return ForcedSearch(stock, ships, whole, can, budget).pieces(lines)
    units = ships.tolist()
    masks, first = distinct_masks(whole)
    by_holders = np.argsort(np.count_nonzero(whole, axis=1), kind="stable")
    scarcest = [1 << bit for bit in by_holders.tolist()]
    steps = _CoverSearch(masks, first, units, scarcest, budget).run()
    return [
        Piece(location, lines[bit], units[bit])
        for location, covered in steps
        for bit in bits(covered)
    ]


def distinct_masks(whole: BoolArray) -> tuple[list[int], list[int]]:
    """Return the distinct non-empty masks and the first location with each."""
    if len(whole) <= _BITS:
        every = _POWERS[: len(whole)] @ whole
        if len(whole) <= _FEW_LINES:
            # Few masks are possible: a place for each is quicker than sorting.
            first_of = np.full(1 << len(whole), -1)
            last = len(every) - 1
            first_of[every[::-1]] = np.arange(last, -1, -1)
            first_of[0] = -1
            found_masks = np.flatnonzero(first_of >= 0)
            return found_masks.tolist(), first_of[found_masks].tolist()
        unique, index = np.unique(every, return_index=True)
        masks, first = unique.tolist(), index.tolist()
        return (masks[1:], first[1:]) if masks[0] == 0 else (masks, first)
    found: dict[int, int] = {}
    packed = np.packbits(whole, axis=0, bitorder="little").T
    for location in np.flatnonzero(packed.any(axis=1)).tolist():
        found.setdefault(int.from_bytes(packed[location].tobytes(), "little"), location)
    return list(found), list(found.values())


class _CoverSearch:
    """The fewest masks that cover all lines, the best first.

    Score of a plan: (lines, units) of each step, greatest first; then the least
    sum of places; then the earliest places.
    """

    def __init__(
        self,
        masks: list[int],
        first: list[int],
        units: list[int],
        scarcest: list[int],
        budget: Budget,
    ) -> None:
        self._located = list(zip(masks, first, strict=True))
        self._maximal = maximal_masks(masks, len(units), budget)
        self._scarcest = scarcest
        self._node = 1 + len(self._maximal) // MASKS_PER_NODE
        self._units = units
        self._budget = budget
        self._full = (1 << len(units)) - 1
        self._coverable: dict[tuple[int, int], bool] = {}
        self._best: dict[tuple[int, int], tuple[tuple[int, ...], tuple[Step, ...]]] = {}
        self._units_of: dict[int, int] = {}

    def run(self) -> tuple[Step, ...]:
        """Return the steps of the best plan."""
        count = 1
        while not self._covers(self._full, count):
            count += 1
        return self._rest(self._full, count)[1]

    def _covers(self, missing: int, count: int) -> bool:
        """Return whether ``count`` masks can cover what is missing."""
        if count <= 1:
            if missing and count == 1:
                for mask in self._maximal:
                    if not missing & ~mask:
                        return True
            return not missing
        known = self._coverable.get((missing, count))
        if known is not None:
            return known
        self._budget.spend(self._node)
        useful = {part for mask in self._maximal if (part := mask & missing)}
        answer = False
        most = max(map(int.bit_count, useful), default=0)
        if most * count >= missing.bit_count():
            # The line that fewest masks cover leaves the fewest branches.
            scarce = next(bit for bit in self._scarcest if bit & missing)
            branch = [part for part in useful if part & scarce]
            branch.sort(key=int.bit_count, reverse=True)
            for part in branch:
                if self._covers(missing & ~part, count - 1):
                    answer = True
                    break
        self._coverable[missing, count] = answer
        return answer

    def _rest(
        self, missing: int, count: int
    ) -> tuple[tuple[int, ...], tuple[Step, ...]]:
        """Return the best (score, steps) to cover ``missing`` with ``count`` masks.

        Scores are negated sequences, so that less is better, and compare after
        ``count`` steps; the sum of places decides among equals.
        """
        if count == 1:
            location = min(n for mask, n in self._located if not missing & ~mask)
            last = (-missing.bit_count(), -self._weight(missing))
            return last, ((location, missing),)
        known = self._best.get((missing, count))
        if known is not None:
            return known
        self._budget.spend(self._node)
        groups: dict[int, int] = {}
        for mask, location in self._located:
            part = mask & missing
            if part and groups.get(part, location) >= location:
                groups[part] = location
        best = None
        for part in self._busiest(groups, missing, count):
            score, steps = self._rest(missing & ~part, count - 1)
            steps = ((groups[part], part), *steps)
            places = sorted(location for location, _ in steps)
            key = (score, sum(places), places)
            if best is None or key < best[0]:
                best = (key, steps)
        if best is None:
            raise AssertionError("a coverable rest has a best cover")
        head = (-best[1][0][1].bit_count(), -self._weight(best[1][0][1]))
        answer = ((*head, *best[0][0]), best[1])
        self._best[missing, count] = answer
        return answer

    def _busiest(self, groups: dict[int, int], missing: int, count: int) -> list[int]:
        """Return the parts of the best score whose rest is coverable, all ties."""
        by_lines: dict[int, list[int]] = {}
        for part in groups:
            by_lines.setdefault(part.bit_count(), []).append(part)
        for lines in sorted(by_lines, reverse=True):
            weighed = sorted((self._weight(p), p) for p in by_lines[lines])
            ties: list[int] = []
            heaviest = -1
            for weight, part in reversed(weighed):
                if ties and weight < heaviest:
                    break
                if self._covers(missing & ~part, count - 1):
                    ties.append(part)
                    heaviest = weight
            if ties:
                return ties
        return []

    def _weight(self, part: int) -> int:
        """Return the units of the lines in a mask."""
        known = self._units_of.get(part)
        if known is None:
            known = sum(self._units[bit] for bit in bits(part))
            self._units_of[part] = known
        return known


def maximal_masks(masks: list[int], lines: int, budget: Budget) -> list[int]:
    """Return the masks that no other contains; few masks are left as they are."""
    if len(masks) <= 2 * lines:
        return masks
    kept: list[int] = []
    for mask in sorted(masks, key=int.bit_count, reverse=True):
        budget.spend(len(kept) // (4 * MASKS_PER_NODE))
        for other in kept:
            if not mask & ~other:
                break
        else:
            kept.append(mask)
    return kept
