"""`availability.v1.StockService`: decode, call the ledger, encode."""

import functools
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import grpc

from availability.errors import MAX_VIOLATIONS, InvalidChange, Violation
from availability.ledger.protocol import MAX_PAGE, Ledger, StockCursor, StockPage
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
from router.rpc.background.driver import Driver
from router.rpc.codec.enums import MODE_FROM_WIRE, no_member
from router.rpc.codec.lists import MAX_FILTER_IDS, count, cut, refuse, stale
from router.rpc.codec.location_shape import location_breaches
from router.rpc.codec.request import (
    decode_page_size,
    decode_page_token,
    decode_request,
    encode_page_token,
)
from router.rpc.codec.results import encode_result
from router.rpc.codec.stock import (
    add_record,
    decode_changes,
    decode_location,
    encode_location,
)
from router.rpc.services.movements import MovementCalls
from router.rpc.transport.gate import Gate
from router.rpc.transport.interceptors import guarded, handlers
from router.rpc.transport.tokens import Scope

MAX_LOCATIONS = 10_000
"""Most locations in one request."""
MAX_CHANGES = 50_000
"""Most stock records in one request."""
DEFAULT_DEADLINE_SECONDS = 30.0
"""What a call may take whose client sets no deadline: an import is a mass."""

SERVICE = "availability.v1.StockService"


class StockService:
    """Serve ``availability.v1.StockService``."""

    def __init__(self, ledger: Ledger, driver: Driver) -> None:
        self._ledger = ledger
        self._driver = driver
        self._movements = MovementCalls(ledger, driver)

    def generic_handler(self, gate: Gate) -> grpc.GenericRpcHandler:
        """Return what a gRPC server registers."""
        guard = functools.partial(
            guarded, gate, default_seconds=DEFAULT_DEADLINE_SECONDS
        )
        writes = functools.partial(guard, scope=Scope.STOCK)
        reads = functools.partial(guard, scope=Scope.STOCK | Scope.ROUTE)
        wire, moves = stock_service_pb2, self._movements
        return grpc.method_handlers_generic_handler(
            SERVICE,
            handlers(
                writes, wire, self.PutLocations, self.ImportStock, moves.PutWithdrawals
            )
            | handlers(reads, wire, self.ListLocations, self.ListStock)
            | handlers(reads, wire, moves.ListWithdrawals, moves.ListMovements),
        )

    async def PutLocations(
        self, wire: stock_service_pb2.PutLocationsRequest, _deadline: float
    ) -> bytes:
        """Create or replace locations."""
        request, locations = await self._driver.bulk(lambda: _read_put(wire))
        return await self._driver.write(
            lambda: self._ledger.put_locations(locations, request, encode_result)
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
            violations.append(stale("page_token", place[0]))
        refuse(violations)
        return await self._driver.bulk(lambda: _page_of(network, start, size))

    async def ImportStock(
        self, wire: stock_service_pb2.ImportStockRequest, _deadline: float
    ) -> bytes:
        """Set or change what is on hand."""
        request, mode, changes = await self._driver.bulk(lambda: _read_import(wire))
        guard = wire.max_drop_permille if wire.HasField("max_drop_permille") else None
        return await self._driver.write(
            lambda: self._ledger.import_stock(
                mode,
                changes,
                request,
                encode_result,
                dry_run=wire.dry_run,
                max_drop_permille=guard,
            )
        )

    async def ListStock(
        self, wire: stock_service_pb2.ListStockRequest, _deadline: float
    ) -> bytes:
        """List stock records by SKU, then location in rank order."""
        violations: list[Violation] = []
        size = decode_page_size(wire.page_size, violations)
        place = decode_page_token(wire.page_token, 2, violations)
        count(violations, "skus", len(wire.skus), 0, MAX_FILTER_IDS)
        count(violations, "location_ids", len(wire.location_ids), 0, MAX_FILTER_IDS)
        after = None
        if place is not None:
            after = StockCursor(Sku(place[0]), LocationId(place[1]))
            if place[1] not in self._ledger.network().index:
                violations.append(stale("page_token", place[1]))
        refuse(violations)
        skus = [Sku(each) for each in wire.skus]
        location_ids = [LocationId(each) for each in wire.location_ids]

        def read() -> bytes:
            page = self._ledger.stock(skus, location_ids, after, size)
            network = self._ledger.network()
            return _encode_page(page, network, _zones_of(page, network, self._ledger))

        return await self._driver.bulk(read)


def _read_put(
    wire: stock_service_pb2.PutLocationsRequest,
) -> tuple[Request, list[Location]]:
    violations: list[Violation] = []
    request = decode_request("PutLocations", wire, wire.request_id, violations)
    count(violations, "locations", len(wire.locations), 1, MAX_LOCATIONS)
    if len(wire.locations) <= MAX_LOCATIONS:
        breaches = itertools.chain.from_iterable(
            location_breaches(each, f"locations[{index}]")
            for index, each in enumerate(wire.locations)
        )
        violations += itertools.islice(breaches, MAX_VIOLATIONS)
    refuse(violations)
    return request, [decode_location(each) for each in wire.locations]


def _read_import(
    wire: stock_service_pb2.ImportStockRequest,
) -> tuple[Request, ImportMode, list[StockChange]]:
    violations: list[Violation] = []
    request = decode_request("ImportStock", wire, wire.request_id, violations)
    mode = MODE_FROM_WIRE.get(wire.mode)
    if mode is None:
        violations.append(no_member("mode", wire.mode))
    count(violations, "changes", len(wire.changes), 1, MAX_CHANGES)
    if violations or mode is None:
        raise InvalidChange(violations)
    return request, mode, decode_changes(wire.changes)


def _page_of(network: Network, start: int, size: int) -> bytes:
    end = min(start + size, len(network.locations))
    page = stock_service_pb2.ListLocationsResponse()
    page.locations.extend(map(encode_location, network.locations[start:end]))
    if cut(page, page.locations) or end < len(network.locations):
        page.next_page_token = encode_page_token([page.locations[-1].location_id])
    return page.SerializeToString(deterministic=True)


Zones = Mapping[tuple[str, str], Sequence[tuple[str, int]]]
"""(zone_id, units) of each zone, by location and SKU."""


def _zones_of(page: StockPage, network: Network, ledger: Ledger) -> Zones:
    """Read the zones of a page's records; nothing where no location has any."""
    zoned = {
        each.location_id: len(each.zones) + 1
        for each in network.locations
        if each.zones
    }
    if not zoned:
        return {}
    found: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
    names = dict.fromkeys(each.location_id for each in page.records)
    skus = list(dict.fromkeys(each.sku for each in page.records))
    for chunk in _chunks([name for name in names if name in zoned], zoned):
        # So many SKUs that the ledger has room for all their zones in an answer.
        step = max(1, MAX_PAGE // sum(zoned[name] for name in chunk))
        for start in range(0, len(skus), step):
            for each in ledger.zones(skus[start : start + step], chunk):
                found[each.location_id, each.sku].append((each.zone_id, each.on_hand))
    return found


def _chunks(
    names: Iterable[LocationId], zoned: Mapping[LocationId, int]
) -> Iterator[list[LocationId]]:
    """Yield locations, so few that the zones of one SKU there fit into an answer."""
    chunk: list[LocationId] = []
    room = MAX_PAGE
    for name in names:
        if room < zoned[name]:
            yield chunk
            chunk, room = [], MAX_PAGE
        chunk.append(name)
        room -= zoned[name]
    if chunk:
        yield chunk


def _encode_page(page: StockPage, network: Network, zones: Zones) -> bytes:
    wire = stock_service_pb2.ListStockResponse(stock_version=page.version)
    inactive = {each.location_id for each in network.locations if not each.active}
    for record in page.records:
        active = record.location_id not in inactive
        key = (record.location_id, record.sku)
        add_record(wire, record, active, zones.get(key, ()))
    after: Sequence[str] | None = page.after
    if cut(wire, wire.records):
        after = (wire.records[-1].sku, wire.records[-1].location_id)
    if after is not None:
        wire.next_page_token = encode_page_token(after)
    return wire.SerializeToString(deterministic=True)
