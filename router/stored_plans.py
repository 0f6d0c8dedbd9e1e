"""The nouns of an order that was routed: how it is stored, what it holds."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from availability.model import LocationId, Sku
from router.model import Order, RoutingPlan, RoutingPolicy


class PlanInputs(NamedTuple):
    """What a plan was made from, to plan the order again.

    The order's lines have the units still wanted, shipped ones included; its
    ``rejected`` grow with every rejection.
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
    """How the stock that is read differs for an order that holds some of it.

    ``held`` are the order's own units, which the stock does not show. ``gone`` are
    records that show units which a location says it does not have.
    """

    held: Mapping[tuple[LocationId, Sku], int]
    gone: frozenset[tuple[LocationId, Sku]] = frozenset()
