"""Levels that are minimised in one solve, and the bound of each."""

import math
from collections.abc import Mapping, Sequence

from router.errors import SolverError
from router.optimize.cpsat.terms import ObjectiveLevel
from router.optimize.cpsat.variables import Variable, weighted

PACK_SIZE = 2**30
"""Most combinations of values of levels that share one solve. More would be exact
too, up to 2**53, but are slower: see `router.optimize.cpsat.solve`."""
MAX_REACH = 2**60
"""Most that the terms of a solve may add up to in the solver's 64 bits."""


class Pack:
    """Consecutive levels as one weighted sum that compares lexicographically.

    Each weighs as much as the levels after it have combinations of values.
    """

    def __init__(self, levels: Sequence[ObjectiveLevel]) -> None:
        self.levels = tuple(levels)
        sizes = [level.size for level in levels]
        self.weights = [math.prod(sizes[i:]) for i in range(1, len(sizes) + 1)]
        self.size = math.prod(sizes)
        self.reach = self.weigh([level.reach for level in levels])

    def weigh(self, values: Sequence[int]) -> int:
        """Return the weighted sum of a value for each level."""
        return sum(w * value for w, value in zip(self.weights, values, strict=True))

    def with_level(self, level: ObjectiveLevel) -> "Pack | None":
        """Return the pack with another level, if it should share the solve."""
        pack = Pack([*self.levels, level])
        if self.levels and (pack.size > PACK_SIZE or pack.reach > MAX_REACH):
            return None
        return pack

    def expr(self) -> Variable:
        """Return the weighted sum.

        Raises
        ------
        SolverError
            A single level adds up to more than the solver can count.
        """
        if self.reach > MAX_REACH:
            raise SolverError(
                f"{self} may add up to {self.reach}, which is more than 2**60"
            )
        return weighted(
            [variable for level in self.levels for variable in level.variables],
            [
                weight * coefficient
                for weight, level in zip(self.weights, self.levels, strict=True)
                for coefficient in level.coefficients
            ],
        )

    def measure(self, worth: Mapping[str, int]) -> tuple[int, ...]:
        """Return the levels' expressions for a plan, from its scores by name."""
        return tuple(level.measure(worth) for level in self.levels)

    def bounds(self, least: int, worth: Mapping[str, int]) -> dict[str, int]:
        """Return bounds by score name if the weighted sum is at least ``least``.

        Of the plans that are as good as this one on the levels before, each level
        has what the sum leaves when those are as they are here and those after it
        are as bad as they can be.
        """
        found: dict[str, int] = {}
        later = self.weigh([level.high for level in self.levels])
        for level, weight in zip(self.levels, self.weights, strict=True):
            later -= weight * level.high
            bound = -((later - least) // weight)
            found |= level.bounds(max(level.low, bound), worth)
            least -= weight * level.measure(worth)
        return found

    def __str__(self) -> str:
        """Name the levels, for a message."""
        terms = [level.objective.term for level in self.levels if level.objective]
        return ", ".join(terms) or "primary"
