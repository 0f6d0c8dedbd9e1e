"""What can go wrong with stock.

AvailabilityError
├── InvalidChange         a change breaks a rule; every breach is listed
├── BadFile               a file to import has faults; nothing of it was used
├── SnapshotDrops         a snapshot takes away more than its guard allows
├── StockConflict         others took the units; read again and retry
├── CustomerLimitReached  the customer would have more than one may have
├── RequestReused         the same request id came with another body
├── OrderAlreadyRouted    the order has a live plan
├── PlanNotFound          no plan has this id, or the order has none
├── ChannelNotFound       no channel has this id
├── ReservationResolved   it is placed, shipped, cancelled… already
├── UnitsNotOpen          more units than the plan still holds there
├── PlanChanged           the plan was changed since it was read; read again
├── StoreUnavailable      the database could not be read or written
└── StoreTooOld           the database engine or file may not be used
"""

from collections.abc import Sequence
from dataclasses import dataclass

MAX_VIOLATIONS = 100
"""Most violations collected for one answer."""


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


class BadFile(AvailabilityError):
    """Files to import have faults; nothing of them was used.

    The ``path`` of a violation is ``file:line``. ``violations`` holds the first
    of ``count`` faults: a file of the wrong kind has one on every line.
    """

    def __init__(self, violations: Sequence[Violation], count: int) -> None:
        self.violations = tuple(violations)
        self.count = count
        super().__init__("\n".join(self.lines))

    @property
    def lines(self) -> list[str]:
        """One line a fault, for people; the last has the number left out."""
        lines = [f"{each.path}: {each.message}" for each in self.violations]
        if self.count > len(lines):
            lines.append(f"and {self.count - len(lines):,} more")
        return lines


class SnapshotDrops(AvailabilityError):
    """A snapshot takes away more than its guard allows; nothing was changed.

    Of ``known_count`` records with more than 0 on hand, ``dropped_count`` would have
    0; of their ``known_units``, ``dropped_units`` would be gone.
    """

    def __init__(
        self,
        dropped_count: int,
        known_count: int,
        dropped_units: int,
        known_units: int,
        max_drop_permille: int,
    ) -> None:
        self.dropped_count = dropped_count
        self.known_count = known_count
        self.dropped_units = dropped_units
        self.known_units = known_units
        self.max_drop_permille = max_drop_permille
        super().__init__(
            f"the snapshot would zero {dropped_count:,} of {known_count:,} records and "
            f"take away {dropped_units:,} of {known_units:,} units, more than the "
            f"{max_drop_permille} permille that it may"
        )


class StockConflict(AvailabilityError):
    """Units that were there when the stock was read are gone; nothing was held."""


class CustomerLimitReached(AvailabilityError):
    """A customer would have more of a SKU than one may have in the window."""

    def __init__(self, line_id: str, sku: str, max_units: int) -> None:
        self.line_id = line_id
        self.sku = sku
        self.max_units = max_units
        super().__init__(
            f"line {line_id!r}: a customer may have {max_units} of {sku!r} at a time"
        )


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
    """No plan has this id, or no plan was made for this order."""

    def __init__(self, plan_id: str = "", order_id: str = "") -> None:
        self.plan_id = plan_id
        self.order_id = order_id
        what = f"no plan {plan_id!r}" if plan_id else f"no plan of order {order_id!r}"
        super().__init__(what)


class ChannelNotFound(AvailabilityError):
    """No channel has this id."""

    def __init__(self, channel_id: str) -> None:
        self.channel_id = channel_id
        super().__init__(f"no channel {channel_id!r}")


class ReservationResolved(AvailabilityError):
    """What is asked came too late: the reservation is in another state.

    ``state`` is the value of a ``ReservationState``.
    """

    def __init__(self, plan_id: str, state: str, wanted: str) -> None:
        self.plan_id = plan_id
        self.state = state
        super().__init__(f"plan {plan_id!r} is {state}: it can not be {wanted}")


class UnitsNotOpen(AvailabilityError):
    """More units were named than the plan still holds there; nothing was changed.

    ``breaches`` are ``(location_id or "", sku, line_id, asked, open)``.
    """

    def __init__(
        self, plan_id: str, breaches: Sequence[tuple[str, str, str, int, int]]
    ) -> None:
        self.plan_id = plan_id
        self.breaches = tuple(breaches)
        units = "; ".join(
            f"line {line!r}: {asked} of {sku!r} at {at or 'no location'!r}, {left} open"
            for at, sku, line, asked, left in breaches
        )
        super().__init__(f"plan {plan_id!r}: {units}")


class PlanChanged(AvailabilityError):
    """The plan was changed since it was read: read it again."""

    def __init__(self, plan_id: str) -> None:
        self.plan_id = plan_id
        super().__init__(f"plan {plan_id!r} was changed in the meantime")


class StoreUnavailable(AvailabilityError):
    """The database could not be read or written.

    A write that met it was applied whole or not at all, most likely not: repeat it
    with its request id to learn the outcome, or make it so.
    """


class StoreTooOld(AvailabilityError):
    """The database engine has a known fault, or the file is of another version."""
