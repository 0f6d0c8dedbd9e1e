"""The calls of the stock service about what moved: withdrawals and movements."""

from functools import partial

from availability.errors import Violation
from availability.ledger.protocol import MAX_PAGE, Ledger
from availability.model import LocationId, Request, Sku
from availability.reservations import RecordedMovement, Withdrawals
from availability.v1 import stock_service_pb2
from router.rpc.background.driver import Driver
from router.rpc.codec.lists import MAX_FILTER_IDS, count, cut, refuse
from router.rpc.codec.movements import (
    decode_withdrawals,
    encode_movements,
    encode_version,
    encode_withdrawals,
)
from router.rpc.codec.request import (
    bad_token,
    decode_page_size,
    decode_page_token,
    decode_request,
    encode_page_token,
)

MAX_WITHDRAWAL_SETS = 10_000
"""Most (location, SKU) in one request."""
MAX_KEY_DIGITS = 18
"""Digits of the largest key of a movement that a token may name."""


class MovementCalls:
    """The methods of ``availability.v1.StockService`` about what moved, and why."""

    def __init__(self, ledger: Ledger, driver: Driver) -> None:
        self._ledger = ledger
        self._driver = driver

    async def PutWithdrawals(
        self, wire: stock_service_pb2.PutWithdrawalsRequest, _deadline: float
    ) -> bytes:
        """Replace the withdrawals of each (location, SKU) named."""
        request, changes = await self._driver.bulk(lambda: _read_put(wire))
        return await self._driver.write(
            lambda: self._ledger.put_withdrawals(changes, request, encode_version)
        )

    async def ListWithdrawals(
        self, wire: stock_service_pb2.ListWithdrawalsRequest, _deadline: float
    ) -> bytes:
        """List withdrawals by SKU, location and id."""
        violations: list[Violation] = []
        count(violations, "skus", len(wire.skus), 0, MAX_FILTER_IDS)
        count(violations, "location_ids", len(wire.location_ids), 0, MAX_FILTER_IDS)
        refuse(violations)
        skus = [Sku(each) for each in wire.skus]
        location_ids = [LocationId(each) for each in wire.location_ids]

        def read() -> bytes:
            found = self._ledger.withdrawals(skus, location_ids)
            page = stock_service_pb2.ListWithdrawalsResponse()
            page.sets.extend(encode_withdrawals(found))
            page.incomplete = cut(page, page.sets) or len(found) >= MAX_PAGE
            return page.SerializeToString(deterministic=True)

        return await self._driver.bulk(read)

    async def ListMovements(
        self, wire: stock_service_pb2.ListMovementsRequest, _deadline: float
    ) -> bytes:
        """List movements in the order of their keys."""
        violations: list[Violation] = []
        size = decode_page_size(wire.page_size, violations)
        after = _after(wire.page_token, violations)
        refuse(violations)
        read = partial(
            self._ledger.movements,
            Sku(wire.sku) if wire.sku else None,
            LocationId(wire.location_id) if wire.location_id else None,
            wire.plan_id or None,
            after,
            size,
        )
        return await self._driver.bulk(lambda: _encode_page(read(), size))


def _read_put(
    wire: stock_service_pb2.PutWithdrawalsRequest,
) -> tuple[Request, list[Withdrawals]]:
    violations: list[Violation] = []
    request = decode_request("PutWithdrawals", wire, wire.request_id, violations)
    count(violations, "changes", len(wire.changes), 1, MAX_WITHDRAWAL_SETS)
    refuse(violations)
    changes = decode_withdrawals(wire.changes, violations)
    refuse(violations)
    return request, changes


def _after(token: str, violations: list[Violation]) -> int:
    place = decode_page_token(token, 1, violations)
    if place is None:
        return 0
    key = place[0]
    if key.isascii() and key.isdecimal() and len(key) <= MAX_KEY_DIGITS:
        return int(key)
    violations.append(bad_token())
    return 0


def _encode_page(movements: list[RecordedMovement], size: int) -> bytes:
    page = stock_service_pb2.ListMovementsResponse()
    page.movements.extend(encode_movements(movements))
    if cut(page, page.movements) or len(movements) == size:
        page.next_page_token = encode_page_token([str(page.movements[-1].movement_key)])
    return page.SerializeToString(deterministic=True)
