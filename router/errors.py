"""What can go wrong with routing. An order that no location can fill is no error.

RouterError
├── InvalidOrder        the request breaks rules; every breach is listed
├── MalformedMessage    the bytes are not a message of the expected type
├── StockContention     others took the stock on every attempt
├── NotReroutable       the plan's request was not stored with it
├── TooManyOrders       more orders selected than one re-routing takes
├── ReroutingEnded      the re-routing process ended before its result
├── DeadlineTooShort    less time is left than the least a call needs
└── SolverError         the solver refused a model: a fault of ours
"""

from collections.abc import Sequence

from availability.errors import Violation


class RouterError(Exception):
    """Anything that can go wrong with routing."""


class InvalidOrder(RouterError):
    """The request breaks rules; nothing was reserved."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations = tuple(violations)
        super().__init__("; ".join(f"{v.path}: {v.message}" for v in self.violations))


class MalformedMessage(RouterError):
    """The bytes are not a message of the expected type."""


class StockContention(RouterError):
    """Other orders took the stock on every attempt; safe to repeat."""

    def __init__(self, attempts: int) -> None:
        self.attempts = attempts
        super().__init__(f"other orders took the stock on each of {attempts} attempts")


class NotReroutable(RouterError):
    """The plan's request was not stored with it, so it stays as it is."""

    def __init__(self, plan_id: str) -> None:
        self.plan_id = plan_id
        super().__init__(
            f"plan {plan_id!r} cannot be rerouted: its request was not stored"
        )


class TooManyOrders(RouterError):
    """More orders are selected than one re-routing takes; nothing was changed."""

    def __init__(self, most: int) -> None:
        self.most = most
        super().__init__(f"more than {most} orders are selected")


class ReroutingEnded(RouterError):
    """The re-routing process ended before its result; ``how`` it ended.

    Earlier changes stay, and every order has a complete plan.
    """

    def __init__(self, how: str) -> None:
        self.how = how
        super().__init__(f"the re-routing process ended: {how}")


class DeadlineTooShort(RouterError):
    """Less time is left than the least a call needs; nothing was reserved."""


class SolverError(RouterError):
    """The solver refused a model or called it infeasible: a fault of ours."""
