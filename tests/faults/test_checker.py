"""The checker can fail: it finds each lie."""

import base64
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pysqlite3 import dbapi2 as driver

from availability.ledger.open import open_ledger
from availability.model import LocationId, Request, Sku
from availability.reservations import Claim, Reservation
from benchmarks.faults.answers import Verdict
from benchmarks.faults.checker import check
from router.rpc.codec.request import decode_request
from router.v1 import order_pb2, plan_pb2, routing_service_pb2
from tests.availability.ledger.world import change, import_set, location

STOCK = {("l0", "x"): 4}
Line = dict[str, Any]


@pytest.fixture
def lines(sqlite: str) -> list[Line]:
    """Two orders of two units each, in the ledger and as a client wrote them down."""
    with closing(open_ledger(sqlite)) as ledger:
        ledger.put_locations([location("l0")])
        import_set(ledger, change("l0", "x", 4))
        lines = []
        for name in ("1", "2"):
            wire = routing_service_pb2.RouteOrderRequest(
                request_id=f"r{name}",
                order=order_pb2.Order(order_id=f"order-{name}"),
            )
            plan = plan_pb2.RoutingPlan(plan_id=f"plan-{name}")
            plan.assignments.add(line_id="1", sku="x", location_id="l0", quantity=2)
            answer = routing_service_pb2.RouteOrderResponse(plan=plan)
            reply = answer.SerializeToString()
            request = decode_request("RouteOrder", wire, wire.request_id, [])
            ledger.reserve(booked(name, request, reply))
            lines.append(
                {
                    "method": "RouteOrder",
                    "request": text(wire.SerializeToString()),
                    "reply": text(reply),
                    "sent": 0.0,
                    "tries": 1,
                }
            )
    return lines


def booked(name: str, request: Request, reply: bytes) -> Reservation:
    claim = Claim(LocationId("l0"), Sku("x"), 2, line_id="1")
    return Reservation(f"plan-{name}", f"order-{name}", (claim,), reply, request)


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def judged(sqlite: str, lines: list[Line], folder: Path, **more: Any) -> Verdict:
    file = folder / "answers"
    file.write_text("".join(json.dumps(each) + "\n" for each in lines))
    return check(sqlite, STOCK, [file], **more)


def test_the_truth_passes(sqlite: str, lines: list[Line], tmp_path: Path) -> None:
    verdict = judged(sqlite, lines, tmp_path, sold_out=["x"])

    assert verdict.breaches == []
    assert verdict.acknowledged == 2
    assert verdict.assigned_units == 4


def other_id(line: Line) -> None:
    wire = routing_service_pb2.RouteOrderRequest(request_id="never sent")
    line["request"] = text(wire.SerializeToString())


def other_reply(line: Line) -> None:
    reply = routing_service_pb2.RouteOrderResponse.FromString(
        base64.b64decode(line["reply"])
    )
    reply.plan.assignments[0].quantity = 1
    line["reply"] = text(reply.SerializeToString())


def refused(line: Line) -> None:
    del line["reply"]
    line["refused"] = "ORDER_ALREADY_ROUTED"


@pytest.mark.parametrize(
    ("lie", "found"),
    [
        (other_id, "acknowledged and lost"),
        (other_reply, "another reply is stored"),
        (other_reply, "a plan does not hold what was answered"),
        (refused, "a client was refused"),
        (refused, "a plan unknown to every client"),
    ],
)
def test_a_lie_of_a_client(
    sqlite: str,
    lines: list[Line],
    tmp_path: Path,
    lie: Callable[[Line], None],
    found: str,
) -> None:
    lie(lines[0])

    verdict = judged(sqlite, lines, tmp_path)

    assert any(each.startswith(found) for each in verdict.breaches)


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("UPDATE stock SET allocated = 3", "promised"),
        ("UPDATE stock SET allocated = 3", "audit"),
        ("UPDATE stock SET allocated = 5, deficit = 1", "oversold"),
        ("UPDATE stock SET on_hand = 9", "on hand"),
        ("UPDATE stock SET on_hand = 9", "more was ordered"),
        ("DELETE FROM request", "acknowledged and lost"),
        ("DELETE FROM movement WHERE plan_key = 1", "a plan does not hold"),
        (
            "INSERT INTO movement SELECT 99, at_ms, cause, reference, plan_key, "
            "line_id, location_key, channel_id, sku, zone_id, on_hand, zone_units, "
            "allocated, held, withdrawn, safety_stock, queued FROM movement "
            "WHERE plan_key = 1",
            "a plan does not hold",
        ),
    ],
)
def test_a_ledger_that_went_wrong(
    sqlite: str, lines: list[Line], tmp_path: Path, sql: str, found: str
) -> None:
    with closing(driver.connect(sqlite.removeprefix("sqlite:///"))) as db:
        db.execute(sql)
        db.commit()

    verdict = judged(sqlite, lines, tmp_path, sold_out=["x"])

    assert any(each.startswith(found) for each in verdict.breaches), verdict


def test_an_order_with_two_plans(
    sqlite: str, lines: list[Line], tmp_path: Path
) -> None:
    with closing(driver.connect(sqlite.removeprefix("sqlite:///"))) as db:
        db.execute("DROP INDEX plan_binding_order")
        db.execute("UPDATE plan SET order_id = 'order-1'")
        db.commit()

    verdict = judged(sqlite, lines, tmp_path)

    assert any("an order with two plans: order-1" in each for each in verdict.breaches)
