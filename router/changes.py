"""The nouns of what happens to an order after it was routed."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from availability.model import LocationId, Sku
from router.model import Order, RoutingPlan, RoutingPolicy


class RejectionReason(enum.StrEnum):
    """Why a location does not ship what it was given."""

    NOT_IN_STOCK = "not_in_stock"
    """It has none: its count goes to zero."""
    MISMATCH = "mismatch"
    """It has fewer than were counted: the rejected units are taken off its count."""
    DAMAGED = "damaged"
    """They can not be sold: the rejected units are withdrawn from sale."""
    TOO_BUSY = "too_busy"
    """Too much to do. Its stock is as counted."""
    CLOSED = "closed"
    """Nobody is there. Its stock is as counted."""
    OTHER = "other"
    """Anything else. Its stock is as counted."""


class LineUnits(NamedTuple):
    """Units of one line at one location; kits, for a kit."""

    line_id: str
    location_id: LocationId
    quantity: int


class RejectedLine(NamedTuple):
    """Units of one line that are refused; kits, for a kit.

    ``sku`` names the component of a kit whose stock is to be corrected; empty: all.
    """

    line_id: str
    quantity: int
    sku: Sku = Sku("")


@dataclass(frozen=True, slots=True)
class Rejection:
    """A location refuses what a plan gave it; without ``lines`` all of it.

    ``blocking``: it ships nothing more of the order.
    """

    location_id: LocationId
    reason: RejectionReason
    lines: tuple[RejectedLine, ...] = ()
    blocking: bool = False


class Wanted(NamedTuple):
    """What a plan was made from, and is made anew from.

    The quantities of the order's lines are what is wanted still, shipped units
    included; its ``rejected`` grow with every rejection.
    """

    order: Order
    policy: RoutingPolicy
    queue_unassigned: bool = False
    solve_seconds: float = 1.0


class StoredForm(Protocol):
    """How a plan and what it was made from are stored, in bytes."""

    def wanted(self, body: bytes) -> Wanted:
        """Read what a plan was made from."""
        ...

    def body(self, before: bytes, order: Order) -> bytes:
        """Return a body with another order in it, and the rest as before."""
        ...

    def plan(self, reply: bytes) -> RoutingPlan:
        """Read a plan."""
        ...

    def reply(self, plan: RoutingPlan) -> bytes:
        """Write a plan."""
        ...


class OwnStock(NamedTuple):
    """What an order's reservation makes of the stock that it reads.

    ``held`` are the order's own units, in no one else's way: the stock does not
    show them. ``gone`` is what turned out not to be there, though it shows.
    """

    held: Mapping[tuple[LocationId, Sku], int]
    gone: frozenset[tuple[LocationId, Sku]] = frozenset()
