"""Orders that live at random: whatever is asked of them, all of it adds up."""

import random
from typing import Any

import pytest

from availability.errors import (
    UnitsNotOpen,
)
from availability.ledger.open import open_ledger
from availability.ledger.protocol import Ledger
from availability.model import (
    ImportMode,
    Location,
    LocationId,
    Request,
    Sku,
    StockChange,
)
from availability.reservations import OPEN_STATES, PlanRef, ReservationRecord
from router import blocking_work
from router.amending.amender import Amender
from router.amending.rejection import RejectedLine, Rejection, RejectionReason
from router.blocking_work import (
    ChangeWork,
    ReadWork,
    ReplayWork,
    Reserved,
    ReserveWork,
    Work,
)
from router.line_units import HeldUnits, LineUnits, held_units
from router.model import Order, OrderLine
from router.optimize.limits import SolveLimits
from router.pipeline import RouteOptions, Router
from router.policies import DEFAULT, PRESETS
from router.rpc.codec.body import WireForm
from router.rpc.codec.order import encode_order
from router.rpc.codec.plan import decode_reply, encode_reply
from router.v1 import routing_service_pb2
from tests.builders import kit, line

PLACES = [LocationId(name) for name in "abc"]
PLAN = PlanRef(order_id="o")
LIMITS = SolveLimits(wall_seconds=5.0)
FORM = WireForm()


def drive(ledger: Ledger, steps: Any) -> Any:
    """Do all blocking work here and now."""

    async def do(work: Work) -> object:
        if isinstance(work, ReserveWork):
            return Reserved(ledger.reserve(work.draft(encode_reply(work.plan))), False)
        if isinstance(work, ReadWork | ReplayWork | ChangeWork):
            return work.run(ledger)
        return work.run()

    return blocking_work.at_once(blocking_work.drive(steps, do))


def some_order(chance: random.Random) -> Order:
    lines: list[OrderLine] = [line(f"hat:{chance.randint(1, 6)}")]
    if chance.random() < 0.6:
        whole = chance.random() < 0.4
        lines.append(line(f"cap:{chance.randint(1, 4)}", indivisible=whole))
    if chance.random() < 0.5:
        lines.append(kit(f"set:{chance.randint(1, 3)}", hat=1, cap=2))
    if chance.random() < 0.3:
        lines = [each._replace(ship_together="g") for each in lines]
    return Order("o", tuple(lines), channel_id="web")


def stocked(chance: random.Random) -> Ledger:
    ledger = open_ledger("sqlite://")
    ledger.put_locations(
        [
            Location(name, rank, capacity_units=chance.choice([None, None, 9]))
            for rank, name in enumerate(PLACES, 1)
        ]
    )
    ledger.import_stock(
        ImportMode.SET,
        [
            StockChange(name, Sku(sku), chance.randint(0, 9))
            for name in PLACES
            for sku in ("hat", "cap")
        ],
    )
    return ledger


def adds_up(ledger: Ledger, queues: bool) -> ReservationRecord:
    """Hold what is read against everything that must be so."""
    record = ledger.reservation(PLAN)
    order = FORM.wanted(record.body).order
    held = held_units(order, record)
    if record.state in OPEN_STATES:
        for each in order.lines:
            at_places = sum(n for at, n in held.placed.items() if at[0] == each.line_id)
            queued = held.queued.get(each.line_id, 0)
            nobody = held.unassigned.get(each.line_id, 0)
            assert at_places + queued + nobody == each.quantity
            assert not (queues and nobody)
    assert ledger.audit().drift_count == 0
    return record


class Walk:
    """One order over one ledger, and what may happen to it next."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.ledger = stocked(self.chance)
        self.queues = self.chance.random() < 0.5
        router = Router(self.ledger)
        self.amender = Amender(router, FORM)
        order = some_order(self.chance)
        body = routing_service_pb2.RouteOrderRequest(
            order=encode_order(order), queue_unassigned=self.queues
        ).SerializeToString()
        options = RouteOptions(LIMITS, queue_unassigned=self.queues)
        by = PRESETS[DEFAULT]
        self.drive(router.route_steps(order, by, options, Request(), body))

    def drive(self, steps: Any) -> None:
        drive(self.ledger, steps)

    def read(self) -> ReservationRecord:
        """Read the plan and hold it against everything that must be so."""
        return adds_up(self.ledger, self.queues)

    def cancel(self, wanted: Order, held: HeldUnits) -> None:
        each = self.chance.choice(wanted.lines)
        units = self.chance.randint(1, each.quantity)
        steps = self.amender.cancel_steps(
            PLAN, {each.line_id: units}, Request(), nothing
        )
        if units > held.open_of(each.line_id):
            with pytest.raises(UnitsNotOpen):
                self.drive(steps)
        else:
            self.drive(steps)

    def ship(self, held: HeldUnits) -> None:
        (line_id, at), most = self.chance.choice(sorted(held.open.items()))
        units = (LineUnits(line_id, at, self.chance.randint(1, most)),)
        self.drive(self.amender.ship_steps(PLAN, units, Request(), nothing))

    def reject(self, wanted: Order, held: HeldUnits) -> None:
        (line_id, at), most = self.chance.choice(sorted(held.open.items()))
        named = RejectedLine(line_id, self.chance.randint(1, most))
        rejection = Rejection(
            at,
            self.chance.choice(list(RejectionReason)),
            self.chance.choice([(), (named,)]),
            self.chance.random() < 0.3,
        )
        self.drive(
            self.amender.reject_steps(PLAN, rejection, LIMITS, Request(), nothing)
        )
        record = self.ledger.reservation(PLAN)
        anew = FORM.wanted(record.body).order
        now = held_units(anew, record)
        assert anew.rejected >= wanted.rejected | {(line_id, at)}
        # Nobody was given anything of a line that it had rejected.
        for name, place in anew.rejected:
            key = (name, LocationId(place))
            assert now.open.get(key, 0) <= held.open.get(key, 0)
        made = decode_reply(record.reply)
        placed = {(each[0], each[2]): each.quantity for each in made.assignments}
        nobody = {each.line_id: each.quantity for each in made.unassigned}
        assert placed == now.placed
        assert nobody == (now.queued if self.queues else now.unassigned)


def nothing(_: ReservationRecord) -> bytes:
    return b""


@pytest.mark.parametrize("seed", range(24))
def test_whatever_is_asked_adds_up(seed: int) -> None:
    walk = Walk(seed)
    record = walk.read()
    for _ in range(12):
        if record.state not in OPEN_STATES:
            break
        wanted = FORM.wanted(record.body).order
        held = held_units(wanted, record)
        kind = walk.chance.choice(["ship", "cancel", "reject", "reject"])
        if kind == "cancel" or not held.open:
            walk.cancel(wanted, held)
        elif kind == "ship":
            walk.ship(held)
        else:
            walk.reject(wanted, held)
        record = walk.read()
    walk.ledger.close()
