"""Where an import goes: a running server, or a database that none has open."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Protocol

from availability.errors import (
    AvailabilityError,
    InvalidChange,
    StoreTooOld,
    StoreUnavailable,
)
from availability.ledger.open import open_ledger
from availability.ledger.protocol import Ledger
from availability.model import (
    ImportMode,
    ImportResult,
    Location,
    PutResult,
    StockChange,
)
from availability.v1 import stock_service_pb2
from router.cli.access import Access
from router.cli.client import CallFailed, Client, connect
from router.rpc.codec.enums import MODE_TO_WIRE
from router.rpc.codec.request import decode_request
from router.rpc.codec.stock import (
    decode_import,
    decode_put,
    encode_change,
    encode_import,
    encode_location,
    encode_put,
)


class Target(Protocol):
    """Takes locations and stock, each request once however often it comes."""

    def put_locations(
        self, request_id: str, locations: Sequence[Location]
    ) -> PutResult:
        """Create or replace locations; raises CallFailed."""
        ...

    def import_stock(
        self, request_id: str, mode: ImportMode, changes: Sequence[StockChange]
    ) -> ImportResult:
        """Set or change what is on hand; raises CallFailed."""
        ...


class ServerTarget:
    """A running server."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def put_locations(
        self, request_id: str, locations: Sequence[Location]
    ) -> PutResult:
        """Create or replace locations."""
        reply = self._client.call(
            self._client.stock.PutLocations, _put_request(request_id, locations)
        )
        return PutResult(reply.created_count, reply.replaced_count)

    def import_stock(
        self, request_id: str, mode: ImportMode, changes: Sequence[StockChange]
    ) -> ImportResult:
        """Set or change what is on hand."""
        reply = self._client.call(
            self._client.stock.ImportStock, import_request(request_id, mode, changes)
        )
        return ImportResult(
            reply.changed_count, reply.zeroed_count, reply.stock_version
        )


class DatabaseTarget:
    """A database of our own, as a server would write it.

    With the server's identities and replies: a request begun here may be
    repeated there.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def put_locations(
        self, request_id: str, locations: Sequence[Location]
    ) -> PutResult:
        """Create or replace locations."""
        wire = _put_request(request_id, locations)
        request = decode_request("PutLocations", wire, request_id, [])
        with _as_call_failed():
            return decode_put(
                self._ledger.put_locations(locations, request, encode_put)
            )

    def import_stock(
        self, request_id: str, mode: ImportMode, changes: Sequence[StockChange]
    ) -> ImportResult:
        """Set or change what is on hand."""
        wire = import_request(request_id, mode, changes)
        request = decode_request("ImportStock", wire, request_id, [])
        with _as_call_failed():
            return decode_import(
                self._ledger.import_stock(mode, changes, request, encode_import)
            )


@contextmanager
def open_target(
    server: str, database: str | None, access: Access = Access()
) -> Iterator[Target]:
    """Open a database if one is named, else connect to the server.

    Raises
    ------
    BadAccess
        What was given does not make a connection.
    CallFailed
        Nothing answers, or the database cannot be opened.
    """
    if database is None:
        with connect(server, access) as client:
            yield ServerTarget(client)
        return
    try:
        ledger = open_ledger(database)
    except (ValueError, StoreTooOld, StoreUnavailable) as error:
        raise CallFailed(f"--database {database}: {error}") from None
    with closing(ledger):
        yield DatabaseTarget(ledger)


@contextmanager
def _as_call_failed() -> Iterator[None]:
    try:
        yield
    except InvalidChange as error:
        lines = (f"{each.path}: {each.message}" for each in error.violations)
        raise CallFailed(*lines) from None
    except AvailabilityError as error:
        raise CallFailed(str(error)) from None


def _put_request(
    request_id: str, locations: Sequence[Location]
) -> stock_service_pb2.PutLocationsRequest:
    return stock_service_pb2.PutLocationsRequest(
        request_id=request_id, locations=map(encode_location, locations)
    )


def import_request(
    request_id: str, mode: ImportMode, changes: Sequence[StockChange]
) -> stock_service_pb2.ImportStockRequest:
    """Write one request of an import."""
    return stock_service_pb2.ImportStockRequest(
        request_id=request_id,
        mode=MODE_TO_WIRE[mode],
        changes=map(encode_change, changes),
    )
