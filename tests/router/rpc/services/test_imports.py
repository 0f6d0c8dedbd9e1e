"""Counts, deletes, dry runs and guards of imports over the wire."""

from typing import Any

import grpc
import pytest

from availability.v1 import stock_service_pb2
from tests.router.rpc.calls import (
    CALL_SECONDS,
    StepClock,
    code,
    load,
    metadata,
    order,
    reason,
    refused,
    route,
    status,
    violations,
)
from tests.router.rpc.conftest import Running

wire = stock_service_pb2


def asked(
    mode: stock_service_pb2.ImportMode.ValueType,
    units: dict[str, int],
    **fields: Any,
) -> stock_service_pb2.ImportStockRequest:
    """Say what Laval holds."""
    changes = [
        wire.StockChange(location_id="laval", sku=sku, on_hand_units=n)
        for sku, n in units.items()
    ]
    return wire.ImportStockRequest(mode=mode, changes=changes, **fields)


def send(
    server: Running,
    mode: stock_service_pb2.ImportMode.ValueType,
    units: dict[str, int],
    **fields: Any,
) -> stock_service_pb2.ImportStockResponse:
    return server.stock.ImportStock(asked(mode, units, **fields), timeout=CALL_SECONDS)


def held(server: Running) -> dict[str, tuple[int, float]]:
    """What there is of each SKU, and when it was counted; 0.0 if never."""
    page = server.stock.ListStock(wire.ListStockRequest(), timeout=CALL_SECONDS)
    return {
        each.sku: (
            each.on_hand_units,
            each.counted_time.ToSeconds() if each.HasField("counted_time") else 0,
        )
        for each in page.records
    }


def test_a_record_says_when_it_was_counted(
    timed: Running, ledger_clock: StepClock
) -> None:
    first = int(ledger_clock.seconds)
    ledger_clock.seconds += 60

    send(timed, wire.IMPORT_MODE_SET, {"cap": 4})

    assert held(timed) == {"hat": (10, first), "cap": (4, first + 60)}


def test_what_was_deleted_is_not_counted(timed: Running) -> None:
    route(timed, order("o", hat=2))

    reply = send(timed, wire.IMPORT_MODE_DELETE, {"hat": 0, "never": 0})

    assert (reply.changed_count, reply.zeroed_count) == (1, 0)
    assert held(timed) == {"hat": (0, 0)}
    assert timed.allocated() == 2


def test_a_delete_with_more_than_a_name_is_refused(timed: Running) -> None:
    wrong = asked(wire.IMPORT_MODE_DELETE, {"hat": 3})
    wrong.changes.add(location_id="laval", sku="cap", safety_stock_units=0)
    wrong.changes.add(location_id="laval", sku="sock", zone_id="p")

    error = refused(timed.stock.ImportStock, wrong)

    assert violations(status(error)) == {
        "changes[0].on_hand_units": "OUT_OF_RANGE",
        "changes[1].safety_stock_units": "NOT_ALLOWED",
        "changes[2].zone_id": "NOT_ALLOWED",
    }


def test_a_dry_run_answers_and_changes_nothing(timed: Running) -> None:
    before = held(timed)
    snapshot = (wire.IMPORT_MODE_SNAPSHOT, {"cap": 4})

    dry = send(timed, *snapshot, dry_run=True, request_id="r")

    assert held(timed) == before
    real = send(timed, *snapshot, request_id="r")  # the id is free
    assert dry.stock_version == real.stock_version - 1
    assert (dry.changed_count, dry.zeroed_count) == (1, 1)
    assert (real.changed_count, real.zeroed_count) == (1, 1)
    for each in (dry, real):
        assert (each.dropped_count, each.known_count) == (1, 1)
        assert (each.dropped_units, each.known_units) == (10, 10)


def test_a_snapshot_that_drops_too_much_is_refused(server: Running) -> None:
    load(server, {"laval": {"hat": 10, "cap": 30}})
    before = held(server)
    snapshot = (wire.IMPORT_MODE_SNAPSHOT, {"hat": 1, "cap": 30})

    error = refused(server.stock.ImportStock, asked(*snapshot, max_drop_permille=224))

    assert code(error) is grpc.StatusCode.FAILED_PRECONDITION
    assert reason(status(error)) == "SNAPSHOT_DROPS"
    assert metadata(status(error)) == {
        "dropped_count": "0",
        "known_count": "2",
        "dropped_units": "9",
        "known_units": "40",
        "max_drop_permille": "224",
    }
    assert held(server) == before
    assert send(server, *snapshot, max_drop_permille=225).dropped_units == 9


@pytest.mark.parametrize(
    ("mode", "permille", "why"),
    [
        (wire.IMPORT_MODE_SET, 0, "NOT_ALLOWED"),  # 0 is said, and not unset
        (wire.IMPORT_MODE_SNAPSHOT, 1_001, "OUT_OF_RANGE"),
    ],
)
def test_a_guard_that_makes_no_sense(
    timed: Running,
    mode: stock_service_pb2.ImportMode.ValueType,
    permille: int,
    why: str,
) -> None:
    wrong = asked(mode, {"hat": 10}, max_drop_permille=permille)

    error = refused(timed.stock.ImportStock, wrong)

    assert violations(status(error)) == {"max_drop_permille": why}
