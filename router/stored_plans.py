"""The nouns of what happens to an order after it was routed."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from availability.model import LocationId, Sku
from router.model import Order, RoutingPlan, RoutingPolicy


class PlanInputs(NamedTuple):
    """What a plan was made from, and is made anew from.

    The quantities of the order's lines are what is wanted still, shipped units
    included; its ``rejected`` grow with every rejection.
    """

    order: Order
    policy: RoutingPolicy
    queue_unassigned: bool = False
    solve_seconds: float = 1.0


class PlanCodec(Protocol):
    """How a plan and what it was made from are stored, in bytes."""

    def wanted(self, body: bytes) -> PlanInputs:
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
