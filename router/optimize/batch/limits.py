"""When a run stops, and its progress."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """When to stop.

    As long as ``wall_seconds`` is not what stops it, the same problem, limits and seed
    give the same answer.
    """

    wall_seconds: float = 120.0
    rounds: int = 10
    iterations: int = 400
    neighbourhoods: int = 200
    size: int = 120
    work: float = 1.0
    seed: int = 0


DEFAULT = BatchLimits()


class Progress(NamedTuple):
    """What is known in a phase of the level ``shipments``; None: nothing yet.

    ``value`` is that of the plan so far, with orders of one unit that have no place
    yet; ``bound`` a number of shipments that all plans have which let no more
    weight wait. Only the answer's bound is certified.
    """

    phase: str
    value: int | None
    bound: int | None


def silent(_: Progress) -> None:
    """Report no progress."""


def never() -> bool:
    """Do not cancel."""
    return False


class Watch:
    """Whether a run has to stop, and its progress."""

    def __init__(
        self,
        limits: BatchLimits,
        progress: Callable[[Progress], None],
        cancelled: Callable[[], bool],
    ) -> None:
        self._began = time.monotonic()
        self._wall_seconds = limits.wall_seconds
        self._progress = progress
        self._cancelled = cancelled
        self.value: int | None = None
        self.bound: int | None = None

    def cancelled(self) -> bool:
        """Return whether the run was cancelled."""
        return self._cancelled()

    def stop(self, share: float = 1.0) -> bool:
        """Return whether a share of the time is spent, or the run cancelled."""
        spent = time.monotonic() - self._began
        return self._cancelled() or spent >= share * self._wall_seconds

    def left(self, share: float = 1.0) -> float:
        """Return the seconds until a share of the time is spent."""
        spent = time.monotonic() - self._began
        return max(0.0, share * self._wall_seconds - spent)

    def bounded(self, bound: int) -> None:
        """Keep the best bound."""
        self.bound = bound if self.bound is None else max(bound, self.bound)

    def tell(self, phase: str) -> None:
        """Report what is known in a phase."""
        self._progress(Progress(phase, self.value, self.bound))
