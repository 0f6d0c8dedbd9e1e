"""Zones, withdrawals and movements over the wire."""

import itertools
from typing import Any

import grpc
import pytest

from availability.v1 import location_pb2, stock_service_pb2
from router.rpc.codec.request import encode_page_token
from tests.router.rpc.calls import (
    CALL_SECONDS,
    StepClock,
    code,
    load,
    order,
    reason,
    refused,
    route,
    shipped,
    status,
    violations,
)
from tests.router.rpc.conftest import Running
from tests.router.rpc.life import balances, cancel, ship

wire = stock_service_pb2


# --- Zones ------------------------------------------------------------------------


def zoned(server: Running, desk: bool = False) -> None:
    """Put a store with a shelf, and a desk that may not sell; and one without."""
    zones = [
        location_pb2.Zone(zone_id="shelf"),
        location_pb2.Zone(zone_id="desk", available=desk),
    ]
    server.stock.PutLocations(
        wire.PutLocationsRequest(
            locations=[
                location_pb2.Location(location_id="store", rank=1, zones=zones),
                location_pb2.Location(location_id="plain", rank=2),
            ]
        ),
        timeout=CALL_SECONDS,
    )


def count(server: Running, *units: tuple[str, str, int]) -> None:
    """Count hats: (location, zone, units)."""
    server.stock.ImportStock(
        wire.ImportStockRequest(
            mode=wire.IMPORT_MODE_SET,
            changes=[
                wire.StockChange(
                    location_id=at, zone_id=zone_id, sku="hat", on_hand_units=on_hand
                )
                for at, zone_id, on_hand in units
            ],
        ),
        timeout=CALL_SECONDS,
    )


def counts(server: Running) -> dict[str, Any]:
    page = server.stock.ListStock(wire.ListStockRequest(), timeout=CALL_SECONDS)
    return {
        each.location_id: (
            each.on_hand_units,
            {zone.zone_id: zone.on_hand_units for zone in each.zones},
        )
        for each in page.records
    }


def test_only_zones_that_are_available_are_on_hand(server: Running) -> None:
    zoned(server)
    count(server, ("store", "", 1), ("store", "shelf", 2), ("store", "desk", 4))
    count(server, ("plain", "", 3))

    assert counts(server) == {
        "store": (3, {"": 1, "desk": 4, "shelf": 2}),
        "plain": (3, {}),
    }

    zoned(server, desk=True)
    assert counts(server)["store"] == (7, {"": 1, "desk": 4, "shelf": 2})


def test_zones_come_back_as_they_were_put(server: Running) -> None:
    zoned(server)

    page = server.stock.ListLocations(wire.ListLocationsRequest(), timeout=CALL_SECONDS)

    found = [
        [(zone.zone_id, zone.available) for zone in each.zones]
        for each in page.locations
    ]
    assert found == [[("shelf", True), ("desk", False)], []]


def test_a_zone_that_is_none_is_a_violation(server: Running) -> None:
    zoned(server)
    change = wire.StockChange(location_id="store", zone_id="roof", sku="hat")
    asked = wire.ImportStockRequest(mode=wire.IMPORT_MODE_SET, changes=[change])

    error = refused(server.stock.ImportStock, asked)

    assert violations(status(error)) == {"changes[0].zone_id": "UNKNOWN_ZONE"}


def test_the_zones_of_a_large_page_are_all_read(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the ledger had room for five zones in an answer."""
    monkeypatch.setattr("router.rpc.services.stock.MAX_PAGE", 5)
    zoned(server)
    asked = wire.ImportStockRequest(mode=wire.IMPORT_MODE_SET)
    for n in range(9):
        asked.changes.add(
            location_id="store", zone_id="shelf", sku=f"sku-{n}", on_hand_units=n
        )
    server.stock.ImportStock(asked, timeout=CALL_SECONDS)

    page = server.stock.ListStock(wire.ListStockRequest(), timeout=CALL_SECONDS)

    assert [
        sum(zone.on_hand_units for zone in each.zones) for each in page.records
    ] == list(range(9))


# --- Withdrawals ------------------------------------------------------------------


def withdraw(server: Running, *withdrawals: wire.Withdrawal, **fields: Any) -> int:
    """Replace the withdrawals of laval's hats; return the version."""
    asked = wire.PutWithdrawalsRequest(
        changes=[
            wire.WithdrawalSet(
                location_id="laval", sku="hat", withdrawals=list(withdrawals)
            )
        ],
        **fields,
    )
    return server.stock.PutWithdrawals(asked, timeout=CALL_SECONDS).stock_version


def one(name: str, quantity: int, **times: float) -> wire.Withdrawal:
    made = wire.Withdrawal(withdrawal_id=name, quantity=quantity, reason="on display")
    for field, seconds in times.items():
        getattr(made, f"{field}_time").FromMilliseconds(round(seconds * 1_000))
    return made


def listed(server: Running, **fields: Any) -> list[str]:
    page = server.stock.ListWithdrawals(
        wire.ListWithdrawalsRequest(**fields), timeout=CALL_SECONDS
    )
    assert not page.incomplete
    return [
        f"{each.location_id}/{each.sku}/{one.withdrawal_id}:{one.quantity}"
        for each in page.sets
        for one in each.withdrawals
    ]


def test_what_is_withdrawn_does_not_sell_until_it_returns(
    timed: Running, ledger_clock: StepClock
) -> None:
    now = ledger_clock.seconds
    version = withdraw(
        timed, one("w", 4), one("later", 3, start=now + 10, end=now + 20)
    )

    assert version == timed.ledger.version()
    assert balances(timed)["laval/hat"] == {
        "on_hand": 10,
        "withdrawn": 4,
        "available": 6,
    }
    assert shipped(route(timed, order("o", hat=9))) == {"laval": {"hat": 6}}
    ledger_clock.seconds += 11
    timed.ledger.sweep()
    assert balances(timed)["laval/hat"]["withdrawn"] == 7
    ledger_clock.seconds += 10
    timed.ledger.sweep()
    assert balances(timed)["laval/hat"]["withdrawn"] == 4
    assert listed(timed) == ["laval/hat/w:4"]


def test_a_put_replaces_all_that_there_were(timed: Running) -> None:
    withdraw(timed, one("a", 4), one("b", 1))
    assert listed(timed) == ["laval/hat/a:4", "laval/hat/b:1"]

    withdraw(timed, one("c", 2))
    assert listed(timed, skus=["hat"], location_ids=["laval"]) == ["laval/hat/c:2"]
    assert listed(timed, skus=["cap"]) == []
    assert balances(timed)["laval/hat"]["withdrawn"] == 2

    withdraw(timed)
    assert listed(timed) == []
    assert balances(timed)["laval/hat"] == {"on_hand": 10, "available": 10}


def test_a_repeated_put_gets_the_first_reply(timed: Running) -> None:
    first = withdraw(timed, one("a", 4), request_id="r-1")
    withdraw(timed, one("b", 1))

    assert withdraw(timed, one("a", 4), request_id="r-1") == first
    assert listed(timed) == ["laval/hat/b:1"]
    asked = wire.PutWithdrawalsRequest(
        request_id="r-1", changes=[wire.WithdrawalSet(location_id="laval", sku="hat")]
    )
    error = refused(timed.stock.PutWithdrawals, asked)
    assert reason(status(error)) == "REQUEST_ID_REUSED"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([], {"changes": "REQUIRED"}),
        ([wire.WithdrawalSet()] * 10_001, {"changes": "TOO_MANY"}),
        (
            [
                wire.WithdrawalSet(
                    location_id="laval", sku="hat", withdrawals=[one("", 0)]
                )
            ],
            {
                "changes[0].withdrawals[0].withdrawal_id": "REQUIRED",
                "changes[0].withdrawals[0].quantity": "OUT_OF_RANGE",
            },
        ),
        (
            [wire.WithdrawalSet(location_id="mars", sku="hat")],
            {"changes[0].location_id": "UNKNOWN_LOCATION"},
        ),
        (
            [wire.WithdrawalSet(location_id="laval", sku="cap")],
            {"changes[0].sku": "UNKNOWN_SKU"},
        ),
        (
            [wire.WithdrawalSet(location_id="laval", sku="hat")] * 2,
            {"changes[1].sku": "DUPLICATE"},
        ),
        (
            [
                wire.WithdrawalSet(
                    location_id="laval",
                    sku="hat",
                    withdrawals=[one("a", 1), one("a", 1), one("b", 1, start=9, end=9)],
                )
            ],
            {
                "changes[0].withdrawals[1].withdrawal_id": "DUPLICATE",
                "changes[0].withdrawals[2].end_time": "INVALID_PERIOD",
            },
        ),
    ],
)
def test_what_can_not_be_withdrawn(
    timed: Running, changes: list[wire.WithdrawalSet], expected: dict[str, str]
) -> None:
    asked = wire.PutWithdrawalsRequest(changes=changes)

    error = refused(timed.stock.PutWithdrawals, asked)

    assert code(error) is grpc.StatusCode.INVALID_ARGUMENT
    assert violations(status(error)) == expected
    assert balances(timed)["laval/hat"] == {"on_hand": 10, "available": 10}


def test_a_list_of_withdrawals_asks_for_so_many_at_most(server: Running) -> None:
    asked = wire.ListWithdrawalsRequest(skus=["x"] * 1_001, location_ids=["x"] * 1_001)

    error = refused(server.stock.ListWithdrawals, asked)

    assert violations(status(error)) == {"skus": "TOO_MANY", "location_ids": "TOO_MANY"}


# --- Movements --------------------------------------------------------------------


def movements(server: Running, page_size: int = 0, **fields: Any) -> list[Any]:
    """Return the movements of every page."""
    found: list[Any] = []
    token = ""
    for _ in range(1_000):
        page = server.stock.ListMovements(
            wire.ListMovementsRequest(page_size=page_size, page_token=token, **fields),
            timeout=CALL_SECONDS,
        )
        found += page.movements
        token = page.next_page_token
        if not token:
            return found
    raise AssertionError("pages without end")


def cause(movement: Any) -> str:
    name = wire.MovementCause.Name(movement.cause)
    return name.removeprefix("MOVEMENT_CAUSE_").lower()


def test_an_orders_life_is_in_its_movements(
    timed: Running, ledger_clock: StepClock
) -> None:
    plan = route(timed, order("o", hat=6))
    ledger_clock.seconds += 1.5
    cancel(timed, "o", hat=2)
    ship(timed, plan.plan_id)

    found = movements(timed, plan_id=plan.plan_id)

    assert [
        (cause(each), each.allocated_units, each.on_hand_units) for each in found
    ] == [
        ("allocated", 6, 0),
        ("cancelled", -2, 0),
        ("shipped", -4, -4),
    ]
    assert {
        (each.plan_id, each.line_id, each.location_id, each.sku) for each in found
    } == {(plan.plan_id, "hat", "laval", "hat")}
    first, *_, last = [each.time.ToMilliseconds() for each in found]
    assert last - first == 1_500
    everything = movements(timed)
    assert [cause(each) for each in everything][:1] == ["imported"]
    assert sum(each.on_hand_units for each in everything) == 10 - 4


@pytest.mark.parametrize("page_size", [1, 2, 3, 1_000])
def test_movements_come_in_pages(timed: Running, page_size: int) -> None:
    load(timed, {"laval": {"cap": 5}, "far": {"hat": 1}})
    route(timed, order("o", hat=2, cap=1))

    found = movements(timed, page_size)

    keys = [each.movement_key for each in found]
    assert keys == sorted(set(keys))
    assert found == movements(timed)
    assert {each.sku for each in movements(timed, page_size, sku="cap")} == {"cap"}
    at = {each.location_id for each in movements(timed, page_size, location_id="far")}
    assert at == {"far"}
    assert movements(timed, page_size, plan_id="none") == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"page_size": -1}, {"page_size": "OUT_OF_RANGE"}),
        ({"page_token": "?"}, {"page_token": "INVALID_TOKEN"}),
        # What other lists give out, and numbers that are none of ours.
        *[
            ({"page_token": token}, {"page_token": "INVALID_TOKEN"})
            for token in ("WyJhIl0=", "WyItMSJd", "WyLCsiJd", "WyIxIiwgIjIiXQ==")
        ],
    ],
)
def test_pages_that_are_none(
    server: Running, fields: dict[str, Any], expected: dict[str, str]
) -> None:
    error = refused(server.stock.ListMovements, wire.ListMovementsRequest(**fields))

    assert violations(status(error)) == expected


def test_keys_of_any_length_are_no_fault_of_ours(server: Running) -> None:
    for digits in itertools.chain(range(17, 21), [5_000]):
        token = encode_page_token(["9" * digits])
        asked = wire.ListMovementsRequest(page_token=token)
        if digits <= 18:
            assert not server.stock.ListMovements(asked).movements
        else:
            error = refused(server.stock.ListMovements, asked)
            assert violations(status(error)) == {"page_token": "INVALID_TOKEN"}
