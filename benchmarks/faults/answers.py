"""The answers that the clients recorded, and what they add up to."""

import base64
import collections
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from router.v1 import plan_pb2, routing_service_pb2

SHOWN = 10
"""Most breaches of one kind that are spelt out."""

Units = collections.Counter[tuple[str, str]]
"""{(location, SKU): units}."""
_REPLIES: dict[str, Any] = {
    "PlaceOrder": routing_service_pb2.PlaceOrderResponse,
    "CancelOrder": routing_service_pb2.CancelOrderResponse,
    "ShipAssignment": routing_service_pb2.ShipAssignmentResponse,
    "RejectAssignment": routing_service_pb2.RejectAssignmentResponse,
}


@dataclass
class Verdict:
    """What was found; ``breaches`` is what must be empty."""

    acknowledged: int = 0
    assigned_units: int = 0
    extra_plans: int = 0
    """Committed and unknown to any client: only where a client gave up."""
    learnt_later: int = 0
    """Committed by a try whose answer was lost; a later try got the answer."""
    undecided: int = 0
    repeated: int = 0
    errors: collections.Counter[str] = field(default_factory=collections.Counter)
    breaches: list[str] = field(default_factory=list)

    def claim(self, kind: str, faults: Iterable[object]) -> None:
        """Note what contradicts a claim, a few of each kind."""
        found = list(faults)
        self.breaches += [f"{kind}: {each}" for each in found[:SHOWN]]
        if len(found) > SHOWN:
            self.breaches.append(f"{kind}: {len(found) - SHOWN} more")


@dataclass(frozen=True)
class Answer:
    """A request, the bytes it was answered with, and when it was sent last."""

    method: str
    request: Any
    reply: bytes
    sent: float
    tries: int

    @property
    def plan(self) -> plan_pb2.RoutingPlan | None:
        """The plan in the reply to RouteOrder."""
        if self.method != "RouteOrder":
            return None
        return routing_service_pb2.RouteOrderResponse.FromString(self.reply).plan


@dataclass
class Expected:
    """What each plan holds by the answers, and what was shipped."""

    held: dict[str, Units] = field(default_factory=dict)
    assigned: dict[str, Units] = field(default_factory=dict)
    ordered: dict[str, collections.Counter[str]] = field(default_factory=dict)
    shipped: Units = field(default_factory=Units)
    wrong: list[str] = field(default_factory=list)

    def follow(self, answer: Answer) -> None:
        """Take an answer into account; they come in the order of each client."""
        plan = answer.plan
        if plan is not None:
            self.held[plan.plan_id] = self.assigned[plan.plan_id] = _assigned(plan)
            wanted = self.ordered[plan.plan_id] = collections.Counter()
            for line in answer.request.order.lines:
                wanted[line.sku] += line.quantity
            return
        reply = _REPLIES[answer.method].FromString(answer.reply)
        plan_id = reply.reservation.plan_id
        before, answered = self.held[plan_id], Units()
        for each in reply.reservation.units:
            answered[each.location_id, each.sku] += each.open_units
        answered = +answered
        right = before if answer.method == "PlaceOrder" else Units()
        if answer.method == "RejectAssignment":
            refused = answer.request.location_id
            # Units it did not hold may come from there too: only its own are barred.
            kept = {at for at in answered if at[0] != refused or not before[at]}
            right = Units({at: answered[at] for at in kept})
            # It may hold more than before: units may have become available.
            if not _by_sku(answered) <= self.ordered[plan_id]:
                self.wrong.append(
                    f"{plan_id} rejected: {dict(answered)} was not ordered"
                )
        if answered != right:
            self.wrong.append(f"{plan_id} {answer.method}: {dict(answered)} is open")
        self.held[plan_id] = answered
        if answer.method == "ShipAssignment":
            self.shipped += before


def read_answers(files: Iterable[Path], verdict: Verdict) -> list[Answer]:
    """Read what the clients wrote down, and count what they met."""
    answers: list[Answer] = []
    for line in _lines(files):
        if "reply" in line:
            request_type = getattr(routing_service_pb2, f"{line['method']}Request")
            answers.append(
                Answer(
                    line["method"],
                    request_type.FromString(base64.b64decode(line["request"])),
                    base64.b64decode(line["reply"]),
                    line["sent"],
                    line["tries"],
                )
            )
        elif "refused" in line:
            verdict.claim("a client was refused", [line["refused"]])
        elif "undecided" in line:
            verdict.undecided += 1
        else:
            verdict.errors.update(line["tally"])
    verdict.acknowledged = len(answers)
    verdict.repeated = sum(each.tries > 1 for each in answers)
    return answers


def _lines(files: Iterable[Path]) -> Iterator[dict[str, Any]]:
    for file in files:
        with file.open() as lines:
            yield from map(json.loads, lines)


def _by_sku(units: Units) -> collections.Counter[str]:
    total: collections.Counter[str] = collections.Counter()
    for (_, sku), n in units.items():
        total[sku] += n
    return total


def _assigned(plan: plan_pb2.RoutingPlan) -> Units:
    units = Units()
    for each in plan.assignments:
        units[each.location_id, each.sku] += each.quantity
    return units


def describe(verdict: Verdict) -> list[str]:
    """Return a verdict in a few lines."""
    errors = ", ".join(f"{name} x {n}" for name, n in sorted(verdict.errors.items()))
    return [
        f"acknowledged {verdict.acknowledged:,}, units {verdict.assigned_units:,}; "
        f"answered after repeats {verdict.repeated:,}, of these committed by a try "
        f"whose answer was lost {verdict.learnt_later:,}; "
        f"given up {verdict.undecided:,}",
        f"errors the clients met: {errors or 'none'}",
        *(f"BREACH {each}" for each in verdict.breaches),
        f"breaches: {len(verdict.breaches)}",
    ]
