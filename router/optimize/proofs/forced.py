"""The same proof where some lines must be split whichever way one looks.

Such a line asks for more than any location holds. If it asks for all there is,
every holder must ship (they are *mandatory*, and what they ship of it is fixed);
otherwise it is a knapsack-cover demand: the locations chosen must hold enough of
it together. See `router.optimize.proofs.cover` for the facts used.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from availability.model import BoolArray, IntArray
from router.optimize.problem import Piece
from router.optimize.proofs.node_budget import (
    MASKS_PER_NODE,
    Budget,
    OutOfNodesError,
    bits,
)

_MAX_MANDATORY = 300
"""More mandatory locations are left to the solver: the search recurses for each."""

Needs = tuple[int, ...]


class _Site(NamedTuple):
    """What one location can do: lines whole, and units of each line to split."""

    location: int
    mask: int
    holds: Needs
    fixed: int


class _State(NamedTuple):
    """What is still to ship, and with which locations."""

    missing: int
    needs: Needs
    mandatory: frozenset[int]
    extra: int
    used: frozenset[int]


class _Take(NamedTuple):
    """What one location ships in a plan."""

    location: int
    covered: int
    given: Needs


_Answer = tuple[tuple[int, ...], tuple[_Take, ...]]


class ForcedSearch:
    """The fewest locations for lines of both sorts, the busiest first.

    Parameters
    ----------
    stock
        ``(L, N)`` units of each line's SKU.
    ships
        ``(L,)`` units of each line to ship, no more than there are.
    whole
        ``(L, N)``: the location holds all the line ships.
    can
        ``(L,)``: some location does.
    budget
        Nodes left.
    """

    def __init__(
        self,
        stock: IntArray,
        ships: IntArray,
        whole: BoolArray,
        can: BoolArray,
        budget: Budget,
    ) -> None:
        self._budget = budget
        scarce = ~can & (stock.sum(axis=1) == ships)
        self._whole_lines = np.flatnonzero(can).tolist()
        self._split_lines = np.flatnonzero(~can & ~scarce).tolist()
        self._scarce_lines = np.flatnonzero(scarce).tolist()
        self._stock = stock
        self._units = [int(ships[line]) for line in self._whole_lines]
        self._needs: Needs = tuple(int(ships[line]) for line in self._split_lines)
        self._sites = self._describe(stock, whole, ships)
        self._covered: dict[tuple[int, Needs, int, frozenset[int]], bool] = {}
        self._best: dict[_State, _Answer] = {}

    def _describe(
        self, stock: IntArray, whole: BoolArray, ships: IntArray
    ) -> dict[int, _Site]:
        """Return the useful locations by their index."""
        holds = np.minimum(stock, ships[:, None])[self._split_lines]
        fixed = stock[self._scarce_lines].sum(axis=0)
        whole = whole[self._whole_lines]
        useful = whole.any(axis=0) | holds.any(axis=0) | (fixed > 0)
        sites = {}
        for n in np.flatnonzero(useful).tolist():
            mask = sum(1 << bit for bit in np.flatnonzero(whole[:, n]).tolist())
            sites[n] = _Site(n, mask, tuple(holds[:, n].tolist()), int(fixed[n]))
        return sites

    def pieces(self, lines: Sequence[int]) -> list[Piece]:
        """Return the best plan; ``lines`` names the rows of ``stock``.

        Raises
        ------
        OutOfNodesError
            The budget is spent, or there are too many mandatory locations.
        """
        mandatory = frozenset(
            site.location for site in self._sites.values() if site.fixed
        )
        if len(mandatory) > _MAX_MANDATORY:
            raise OutOfNodesError
        full = (1 << len(self._whole_lines)) - 1
        state = _State(full, self._needs, mandatory, 0, frozenset())
        while not self._feasible(state):
            state = state._replace(extra=state.extra + 1)
        pieces = []
        for location, covered, given in self._rest(state)[1]:
            pieces += [
                Piece(location, lines[self._whole_lines[bit]], self._units[bit])
                for bit in bits(covered)
            ]
            pieces += [
                Piece(location, lines[line], units)
                for line, units in zip(self._split_lines, given, strict=True)
                if units
            ]
            pieces += [
                Piece(location, lines[line], int(self._stock[line, location]))
                for line in self._scarce_lines
                if self._stock[line, location]
            ]
        return pieces

    def _feasible(self, state: _State) -> bool:
        """Return whether the state's locations can ship all that is left."""
        missing, needs = state.missing, state.needs
        for location in state.mandatory:
            site = self._sites[location]
            missing &= ~site.mask
            needs = _less(needs, site.holds)
        return self._covers(missing, needs, state.extra, state.used | state.mandatory)

    def _covers(
        self, missing: int, needs: Needs, count: int, used: frozenset[int]
    ) -> bool:
        """Return whether ``count`` more locations, none used, can ship the rest."""
        if not missing and not any(needs):
            return True
        if count <= 0:
            return False
        key = (missing, needs, count, used)
        known = self._covered.get(key)
        if known is not None:
            return known
        free = [site for n, site in self._sites.items() if n not in used]
        self._budget.spend(1 + len(free) // (MASKS_PER_NODE // 4))
        answer = self._enough(free, missing, needs, count) and (
            (not missing and sum(map(bool, needs)) == 1)
            or self._branch(free, missing, needs, count, used)
        )
        self._covered[key] = answer
        return answer

    def _enough(
        self, free: list[_Site], missing: int, needs: Needs, count: int
    ) -> bool:
        """Return false where ``count`` locations can not do it, each line alone.

        For one line to split and nothing else this is exact: its greatest
        holders are the best choice.
        """
        most = max(((site.mask & missing).bit_count() for site in free), default=0)
        if most * count < missing.bit_count():
            return False
        for line, need in enumerate(needs):
            if need:
                held = sorted((site.holds[line] for site in free), reverse=True)
                if sum(held[:count]) < need:
                    return False
        return True

    def _branch(
        self,
        free: list[_Site],
        missing: int,
        needs: Needs,
        count: int,
        used: frozenset[int],
    ) -> bool:
        """Try each location that can ship the line with fewest such locations."""
        if missing:
            choices = min(
                (
                    [site for site in free if site.mask >> bit & 1]
                    for bit in bits(missing)
                ),
                key=len,
            )
        else:
            line = next(line for line, need in enumerate(needs) if need)
            choices = [site for site in free if site.holds[line]]
        seen: set[tuple[int, Needs]] = set()
        for site in choices:
            rest = (missing & ~site.mask, _less(needs, site.holds))
            # Two locations that leave the same rest are interchangeable.
            if rest not in seen:
                seen.add(rest)
                if self._covers(*rest, count - 1, used | {site.location}):
                    return True
        return False

    def _rest(self, state: _State) -> _Answer:
        """Return the best (score, takes) for a feasible state.

        Scores are negated (lines, units) sequences: less is better. Among equals
        the least sum of places wins, then the earliest places.
        """
        if not state.mandatory and not state.extra:
            return (), ()
        known = self._best.get(state)
        if known is not None:
            return known
        self._budget.spend(1 + len(self._sites) // (MASKS_PER_NODE // 4))
        best = None
        for head, take, after in self._busiest(state):
            score, takes = self._rest(after)
            takes = (take, *takes)
            places = sorted(each.location for each in takes)
            key = ((*head, *score), sum(places), places)
            if best is None or key < best[0]:
                best = (key, takes)
        if best is None:
            raise AssertionError("a feasible state has a best plan")
        answer = (best[0][0], best[1])
        self._best[state] = answer
        return answer

    def _busiest(self, state: _State) -> list[tuple[tuple[int, int], _Take, _State]]:
        """Return every best-scored first location whose rest is feasible."""
        options: dict[tuple[bool, int, Needs, int], _Site] = {}
        for location, site in self._sites.items():
            required = location in state.mandatory
            if location in state.used or not (required or state.extra):
                continue
            given = _common(state.needs, site.holds)
            covered = site.mask & state.missing
            if covered or any(given) or required:
                # Alike in all that is left to do: the first of them serves.
                options.setdefault((required, covered, given, site.fixed), site)
        scored = sorted(
            (
                (-covered.bit_count(), -self._weight(covered) - sum(given) - fixed),
                site.location,
                required,
                _Take(site.location, covered, given),
            )
            for (required, covered, given, fixed), site in options.items()
        )
        ties: list[tuple[tuple[int, int], _Take, _State]] = []
        for head, location, required, take in scored:
            if ties and head > ties[0][0]:
                break
            after = _State(
                state.missing & ~take.covered,
                _less(state.needs, take.given),
                state.mandatory - {location},
                state.extra - (not required),
                state.used | {location},
            )
            if self._feasible(after):
                ties.append((head, take, after))
        return ties

    def _weight(self, covered: int) -> int:
        return sum(self._units[bit] for bit in bits(covered))


def _less(needs: Needs, given: Needs) -> Needs:
    """Return what is left of each need."""
    if not needs:
        return needs
    return tuple([max(0, a - b) for a, b in zip(needs, given, strict=True)])


def _common(needs: Needs, holds: Needs) -> Needs:
    """Return what of each need is held."""
    if not needs:
        return needs
    return tuple([min(a, b) for a, b in zip(needs, holds, strict=True)])
