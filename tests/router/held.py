"""Short ways to write down what a plan holds, and plans."""

import dataclasses
from typing import Any

from availability.model import LocationId, Sku
from availability.reservations import Holding, ReservationRecord, ReservationState
from router.model import Assignment, PlanStatus, RoutingPlan


def held(text: str, **ended: Any) -> Holding:
    """Return a holding from ``"hat:2 at laval"``, of the line named like its SKU.

    ``"hat:2 at laval for kit"`` names another line; ``"hat:2"`` is queued on web.
    """
    what, _, line_id = text.partition(" for ")
    what, _, at = what.partition(" at ")
    sku, _, units = what.partition(":")
    channel_id = "" if at else "web"
    line_id = line_id or sku
    place = (LocationId(at), channel_id, Sku(sku), line_id)
    return Holding(*place, open=int(units), **ended)


def record(*holdings: Holding, **fields: Any) -> ReservationRecord:
    """Return what became of a plan that is placed, unless ``fields`` say otherwise."""
    made = ReservationRecord(
        plan_id="p1",
        order_id="o1",
        state=ReservationState.PLACED,
        revision=3,
        body=b"body",
        reply=b"reply",
        created_seconds=0.0,
        hold_seconds=None,
        expires_seconds=None,
        work="",
        holdings=holdings,
    )
    return dataclasses.replace(made, **fields)


def planned(*texts: str) -> RoutingPlan:
    """Return a plan of ``"hat:2 at laval"``, each a shipment, busiest first."""
    assignments = []
    for n, text in enumerate(texts):
        each = held(text)
        assignments.append(
            Assignment(each.line_id, Sku(each.sku), each.location_id, each.open, n)
        )
    return RoutingPlan(
        order_id="o1",
        status=PlanStatus.FULL,
        assignments=tuple(assignments),
        shipments=(),
        unassigned=(),
        objectives=(),
        eliminated={},
        stock_version=1,
        engine="by hand",
        solve_micros=0,
        policy="by hand",
    )
