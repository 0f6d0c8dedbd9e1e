"""`availability.v1.StockService`: decode, call the ledger, encode."""

import functools
import itertools
from collections.abc import MutableSequence, Sequence
from typing import Any

import grpc
from google.protobuf.message import Message

from availability.errors import InvalidChange, Violation
from availability.ledger.protocol import Ledger, StockCursor, StockPage
from availability.model import (
    ImportMode,
    Location,
    LocationId,
    Network,
    Request,
    Sku,
    StockChange,
)
from availability.v1 import stock_service_pb2
from router.rpc.codec.enums import MODE_FROM_WIRE
from router.rpc.codec.request import (
    decode_page_size,
    decode_page_token,
    decode_request,
    encode_page_token,
)
from router.rpc.codec.stock import (
    add_record,
    decode_changes,
    decode_location,
    encode_import,
    encode_location,
    encode_put,
)
from router.rpc.driver import Driver
from router.rpc.interceptors import guarded
from router.rpc.location_shape import location_breaches
from router.rpc.status import MAX_VIOLATIONS

MAX_LOCATIONS = 10_000
"""Most locations in one request."""
MAX_CHANGES = 50_000
"""Most stock records in one request."""
MAX_FILTER_IDS = 1_000
"""Most SKUs, or locations, that a list may be asked for."""
MAX_REPLY_BYTES = 3 * 2**20
"""Largest page: clients refuse messages of more than 4 MiB."""
DEFAULT_DEADLINE_SECONDS = 30.0
"""What a call may take whose client sets no deadline: an import is a mass."""

SERVICE = "availability.v1.StockService"


class StockService:
    """Serve ``availability.v1.StockService``."""

    def __init__(self, ledger: Ledger, driver: Driver) -> None:
        self._ledger = ledger
        self._driver = driver

    def generic_handler(self) -> grpc.GenericRpcHandler:
        """Return what a gRPC server registers."""
        guard = functools.partial(guarded, default_seconds=DEFAULT_DEADLINE_SECONDS)
        wire = stock_service_pb2
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "PutLocations": guard(wire.PutLocationsRequest, self.PutLocations),
                "ListLocations": guard(wire.ListLocationsRequest, self.ListLocations),
                "ImportStock": guard(wire.ImportStockRequest, self.ImportStock),
                "ListStock": guard(wire.ListStockRequest, self.ListStock),
            },
        )

    async def PutLocations(
        self, wire: stock_service_pb2.PutLocationsRequest, _deadline: float
    ) -> bytes:
        """Create or replace locations."""
        request, locations = await self._driver.bulk(lambda: _read_put(wire))
        return await self._driver.write(
            lambda: self._ledger.put_locations(locations, request, encode_put)
        )

    async def ListLocations(
        self, wire: stock_service_pb2.ListLocationsRequest, _deadline: float
    ) -> bytes:
        """List locations in rank order."""
        violations: list[Violation] = []
        size = decode_page_size(wire.page_size, violations)
        place = decode_page_token(wire.page_token, 1, violations)
        network = self._ledger.network()
        start = 0
        if place is not None and place[0] in network.index:
            start = network.index[place[0]] + 1
        elif place is not None:
            violations.append(_stale("page_token", place[0]))
        _refuse(violations)
        return await self._driver.bulk(lambda: _page_of(network, start, size))

    async def ImportStock(
        self, wire: stock_service_pb2.ImportStockRequest, _deadline: float
    ) -> bytes:
        """Set or change what is on hand."""
        request, mode, changes = await self._driver.bulk(lambda: _read_import(wire))
        return await self._driver.write(
            lambda: self._ledger.import_stock(mode, changes, request, encode_import)
        )

    async def ListStock(
        self, wire: stock_service_pb2.ListStockRequest, _deadline: float
    ) -> bytes:
        """List stock records by SKU, then location in rank order."""
        violations: list[Violation] = []
        size = decode_page_size(wire.page_size, violations)
        place = decode_page_token(wire.page_token, 2, violations)
        _count(violations, "skus", len(wire.skus), 0, MAX_FILTER_IDS)
        _count(violations, "location_ids", len(wire.location_ids), 0, MAX_FILTER_IDS)
        after = None
        if place is not None:
            after = StockCursor(Sku(place[0]), LocationId(place[1]))
            if place[1] not in self._ledger.network().index:
                violations.append(_stale("page_token", place[1]))
        _refuse(violations)
        skus = [Sku(each) for each in wire.skus]
        location_ids = [LocationId(each) for each in wire.location_ids]

        def read() -> bytes:
            page = self._ledger.stock(skus, location_ids, after, size)
            return _encode_page(page, self._ledger.network())

        return await self._driver.bulk(read)


def _read_put(
    wire: stock_service_pb2.PutLocationsRequest,
) -> tuple[Request, list[Location]]:
    violations: list[Violation] = []
    request = decode_request("PutLocations", wire, wire.request_id, violations)
    _count(violations, "locations", len(wire.locations), 1, MAX_LOCATIONS)
    if len(wire.locations) <= MAX_LOCATIONS:
        breaches = itertools.chain.from_iterable(
            location_breaches(each, f"locations[{index}]")
            for index, each in enumerate(wire.locations)
        )
        violations += itertools.islice(breaches, MAX_VIOLATIONS)
    _refuse(violations)
    return request, [decode_location(each) for each in wire.locations]


def _read_import(
    wire: stock_service_pb2.ImportStockRequest,
) -> tuple[Request, ImportMode, list[StockChange]]:
    violations: list[Violation] = []
    request = decode_request("ImportStock", wire, wire.request_id, violations)
    mode = MODE_FROM_WIRE.get(wire.mode)
    if mode is None and wire.mode:
        message = f"no member has the number {wire.mode}"
        violations.append(Violation("mode", "UNKNOWN", message))
    elif mode is None:
        violations.append(Violation("mode", "REQUIRED", "must be set"))
    _count(violations, "changes", len(wire.changes), 1, MAX_CHANGES)
    if violations or mode is None:
        raise InvalidChange(violations)
    return request, mode, decode_changes(wire.changes)


def _page_of(network: Network, start: int, size: int) -> bytes:
    end = min(start + size, len(network.locations))
    page = stock_service_pb2.ListLocationsResponse()
    page.locations.extend(map(encode_location, network.locations[start:end]))
    if _cut(page, page.locations) or end < len(network.locations):
        page.next_page_token = encode_page_token([page.locations[-1].location_id])
    return page.SerializeToString(deterministic=True)


def _encode_page(page: StockPage, network: Network) -> bytes:
    wire = stock_service_pb2.ListStockResponse(stock_version=page.version)
    inactive = {each.location_id for each in network.locations if not each.active}
    for record in page.records:
        add_record(wire, record, record.location_id not in inactive)
    after: Sequence[str] | None = page.after
    if _cut(wire, wire.records):
        after = (wire.records[-1].sku, wire.records[-1].location_id)
    if after is not None:
        wire.next_page_token = encode_page_token(after)
    return wire.SerializeToString(deterministic=True)


def _cut(page: Message, records: MutableSequence[Any]) -> bool:
    """Leave out the end of a page until clients take it; say if anything went."""
    before = len(records)
    # One record is far below the limit: a location at its largest is 200 KB.
    while page.ByteSize() > MAX_REPLY_BYTES:
        del records[max(1, len(records) * 3 // 4) :]
    return len(records) < before


def _count(
    violations: list[Violation], path: str, count: int, least: int, most: int
) -> None:
    if not least <= count <= most:
        reason = "TOO_MANY" if count else "REQUIRED"
        message = f"must be {least} to {most}, got {count}"
        violations.append(Violation(path, reason, message))


def _stale(path: str, location_id: str) -> Violation:
    message = f"ends at {location_id!r}, which is no location"
    return Violation(path, "INVALID_TOKEN", message)


def _refuse(violations: Sequence[Violation]) -> None:
    if violations:
        raise InvalidChange(violations[:MAX_VIOLATIONS])
