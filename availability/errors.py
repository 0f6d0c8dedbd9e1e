"""What can go wrong with stock.

AvailabilityError
├── InvalidChange         a change breaks a rule; every breach is listed
├── StockConflict         others took the units; read again and retry
├── RequestReused         the same request id came with another body
├── OrderAlreadyRouted    the order has a live plan
├── PlanNotFound          no plan has this id
├── StoreUnavailable      the database could not be read or written
└── StoreTooOld           the database engine or file may not be used
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """One breach of a rule.

    ``path`` names the field (``changes[3].sku``), ``reason`` is stable and in
    UPPER_SNAKE, ``message`` is for people and may change.
    """

    path: str
    reason: str
    message: str


class AvailabilityError(Exception):
    """Anything that can go wrong with stock."""


class InvalidChange(AvailabilityError):
    """A change breaks a rule; nothing of it was applied."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations = tuple(violations)
        super().__init__("; ".join(f"{v.path}: {v.message}" for v in self.violations))


class StockConflict(AvailabilityError):
    """Units that were there when the stock was read are gone; nothing was held."""


class RequestReused(AvailabilityError):
    """A request id came a second time with another body."""

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        super().__init__(f"request_id {request_id!r} was used with another body")


class OrderAlreadyRouted(AvailabilityError):
    """The order has a live plan."""

    def __init__(self, order_id: str, plan_id: str) -> None:
        self.order_id = order_id
        self.plan_id = plan_id
        super().__init__(f"order {order_id!r} has the live plan {plan_id}")


class PlanNotFound(AvailabilityError):
    """No plan has this id."""

    def __init__(self, plan_id: str) -> None:
        self.plan_id = plan_id
        super().__init__(f"no plan {plan_id!r}")


class StoreUnavailable(AvailabilityError):
    """The database could not be read or written; nothing was changed."""


class StoreTooOld(AvailabilityError):
    """The database engine has a known fault, or the file is of another version."""
