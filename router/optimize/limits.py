"""When an engine stops."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SolveLimits:
    """Bounds on the work of one solve.

    ``wall_seconds`` is for callers with a deadline. As long as it is not what
    stops the search, the same problem and limits give the same answer:
    ``deterministic_time`` bounds the solver in its own units of work (about
    seconds), ``nodes`` the nodes of the combinatorial search.
    """

    wall_seconds: float = 1.0
    deterministic_time: float = 10.0
    nodes: int = 12_000

    def __post_init__(self) -> None:
        if min(self.wall_seconds, self.deterministic_time, self.nodes) <= 0:
            raise ValueError("limits must be positive")
