"""Where an import goes: a running server, or a database that none has open."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Protocol

from availability.errors import (
    AvailabilityError,
    ChannelNotFound,
    InvalidChange,
    StoreTooOld,
    StoreUnavailable,
)
from availability.ledger.open import open_ledger, without_secrets
from availability.ledger.protocol import Ledger
from availability.model import (
    ImportMode,
    ImportResult,
    Location,
    PutResult,
    Sku,
    StockChange,
)
from availability.offers.inputs import consumed
from availability.offers.service import Offering
from availability.setup.setup import Setup, SetupChange, SetupResult
from availability.v1 import (
    availability_service_pb2,
    channel_service_pb2,
    stock_service_pb2,
)
from router.cli.remote.access import Access
from router.cli.remote.client import CallFailed, Client, connect
from router.rpc.background.offer_rows import OfferReader
from router.rpc.codec.enums import MODE_TO_WIRE
from router.rpc.codec.explanation import RequestedUnits
from router.rpc.codec.offers import MAX_ORDERABLE, SINGLE_LOCATION, Fields
from router.rpc.codec.request import MAX_PAGE, decode_request
from router.rpc.codec.setup import (
    SetupItems,
    decode_result,
    encode_setup_change,
    read_result,
)
from router.rpc.codec.stock import (
    decode_import,
    decode_location,
    decode_put,
    encode_change,
    encode_import,
    encode_location,
    encode_put,
    read_import,
)
from router.rpc.services.availability import read_chunks
from router.rpc.services.channels import put_setup, read_put

CHANNEL_NOT_FOUND = "CHANNEL_NOT_FOUND"
"""The reason of a call that failed because no channel has the id."""
READS = 4
"""Times that a setup is read which is being changed meanwhile."""

ORDERABLE = (MAX_ORDERABLE, SINGLE_LOCATION)
"""The columns that tell how many may be ordered at once."""


class Target(Protocol):
    """Takes locations, stock and a setup, each request once however often it comes.

    What is read is of one moment, save that a server may tell the locations of two.
    """

    def put_locations(
        self, request_id: str, locations: Sequence[Location]
    ) -> PutResult:
        """Create or replace locations; raises CallFailed."""
        ...

    def import_stock(
        self,
        request_id: str,
        mode: ImportMode,
        changes: Sequence[StockChange],
        *,
        dry_run: bool = False,
        max_drop_permille: int | None = None,
    ) -> ImportResult:
        """Set or change what is on hand; raises CallFailed.

        ``dry_run`` and ``max_drop_permille`` as in `Ledger.import_stock`.
        """
        ...

    def locations(self) -> list[Location]:
        """Return all locations, in rank order; raises CallFailed."""
        ...

    def setup(self) -> Setup:
        """Return what is said about selling; raises CallFailed.

        The ``consumed_units`` of its allocations are what is consumed now.
        """
        ...

    def put_setup(
        self,
        request_id: str,
        change: SetupChange,
        locations: Sequence[Location] = (),
        *,
        dry_run: bool = False,
    ) -> SetupResult:
        """Change what is said about selling, and locations; raises CallFailed."""
        ...

    def skus(self, channel_id: str) -> list[Sku]:
        """Return all that a channel may offer, kits too, sorted; raises CallFailed."""
        ...

    def offers(
        self, channel_id: str, skus: Sequence[Sku], fields: Fields = ORDERABLE
    ) -> list[availability_service_pb2.BatchGetAvailabilityResponse]:
        """Return what a channel may be promised, in order; raises CallFailed.

        At most 50,000 SKUs, with these columns and those that always come.
        """
        ...

    def explain(
        self,
        channel_id: str,
        sku: Sku,
        request_units: int | None = None,
        bought_units: int = 0,
    ) -> availability_service_pb2.ExplainAvailabilityResponse:
        """Return how a number came to be, and if an order passes; raises CallFailed."""
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
        self,
        request_id: str,
        mode: ImportMode,
        changes: Sequence[StockChange],
        *,
        dry_run: bool = False,
        max_drop_permille: int | None = None,
    ) -> ImportResult:
        """Set or change what is on hand."""
        wire = import_request(request_id, mode, changes, dry_run, max_drop_permille)
        return read_import(self._client.call(self._client.stock.ImportStock, wire))

    def locations(self) -> list[Location]:
        """Return all locations, in rank order."""
        request = stock_service_pb2.ListLocationsRequest(page_size=MAX_PAGE)
        found: list[Location] = []
        while True:
            page = self._client.call(self._client.stock.ListLocations, request)
            found += map(decode_location, page.locations)
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    def setup(self) -> Setup:
        """Return what is said about selling."""
        for _ in range(READS):
            setup = self._read_setup()
            if setup is not None:
                return setup
        raise CallFailed("the setup changes faster than it can be read")

    def _read_setup(self) -> Setup | None:
        """Return the setup, None if it was changed between two pages."""
        request = channel_service_pb2.ListSetupRequest(page_size=MAX_PAGE)
        items = SetupItems.none()
        version = None
        while True:
            page = self._client.call(self._client.channels.ListSetup, request)
            if version not in (None, page.setup_version):
                return None
            version = page.setup_version
            items.read(page)
            if not page.next_page_token:
                return items.setup(version)
            request.page_token = page.next_page_token

    def put_setup(
        self,
        request_id: str,
        change: SetupChange,
        locations: Sequence[Location] = (),
        *,
        dry_run: bool = False,
    ) -> SetupResult:
        """Change what is said about selling, and locations."""
        wire = _setup_request(request_id, change, locations, dry_run)
        return read_result(self._client.call(self._client.channels.PutSetup, wire))

    def skus(self, channel_id: str) -> list[Sku]:
        """Return all that a channel may offer, kits too, sorted."""
        request = availability_service_pb2.WatchAvailabilityRequest(
            channel_id=channel_id
        )
        # A stream begins with every SKU, from memory: pages of stock would be one
        # record for each location of each. Its token says that they are all there.
        batches = self._client.collect(
            self._client.availability.WatchAvailability,
            request,
            lambda batch: bool(batch.resume_token),
        )
        if not batches or not batches[-1].resume_token:
            raise CallFailed(f"{self._client.address}: the server is about to end")
        return [Sku(each) for batch in batches for each in batch.skus]

    def offers(
        self, channel_id: str, skus: Sequence[Sku], fields: Fields = ORDERABLE
    ) -> list[availability_service_pb2.BatchGetAvailabilityResponse]:
        """Return what a channel may be promised, in order."""
        request = availability_service_pb2.BatchGetAvailabilityRequest(
            channel_id=channel_id, skus=skus, fields=fields
        )
        availability = self._client.availability
        return self._client.collect(availability.BatchGetAvailability, request)

    def explain(
        self,
        channel_id: str,
        sku: Sku,
        request_units: int | None = None,
        bought_units: int = 0,
    ) -> availability_service_pb2.ExplainAvailabilityResponse:
        """Return how a number came to be, and if an order passes."""
        request = availability_service_pb2.ExplainAvailabilityRequest(
            channel_id=channel_id,
            sku=sku,
            request_units=request_units,
            bought_units=bought_units,
        )
        availability = self._client.availability
        return self._client.call(availability.ExplainAvailability, request)


class DatabaseTarget:
    """A database of our own, as a server would write it.

    With the server's identities and replies: a request begun here may be
    repeated there.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._reader = OfferReader(Offering(ledger, time.time))

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
        self,
        request_id: str,
        mode: ImportMode,
        changes: Sequence[StockChange],
        *,
        dry_run: bool = False,
        max_drop_permille: int | None = None,
    ) -> ImportResult:
        """Set or change what is on hand."""
        wire = import_request(request_id, mode, changes, dry_run, max_drop_permille)
        request = decode_request("ImportStock", wire, request_id, [])
        with _as_call_failed():
            return decode_import(
                self._ledger.import_stock(
                    mode,
                    changes,
                    request,
                    encode_import,
                    dry_run=dry_run,
                    max_drop_permille=max_drop_permille,
                )
            )

    def locations(self) -> list[Location]:
        """Return all locations, in rank order."""
        return list(self._ledger.network().locations)

    def setup(self) -> Setup:
        """Return what is said about selling."""
        setup = self._ledger.setup()
        skus = list(dict.fromkeys(each.sku for each in setup.allocations.values()))
        counts = self._ledger.positions(skus).counts
        allocations = {
            key: consumed(each, counts.get(each.sku, {}))
            for key, each in setup.allocations.items()
        }
        return replace(setup, allocations=allocations)

    def put_setup(
        self,
        request_id: str,
        change: SetupChange,
        locations: Sequence[Location] = (),
        *,
        dry_run: bool = False,
    ) -> SetupResult:
        """Change what is said about selling, and locations."""
        wire = _setup_request(request_id, change, locations, dry_run)
        with _as_call_failed():
            # Read again, so that what a server would refuse is refused here.
            request, change, locations = read_put(wire)
            return decode_result(
                put_setup(self._ledger, change, locations, request, dry_run=dry_run)
            )

    def skus(self, channel_id: str) -> list[Sku]:
        """Return all that a channel may offer, kits too, sorted."""
        with _as_call_failed():
            return sorted(self._reader.skus(channel_id))

    def offers(
        self, channel_id: str, skus: Sequence[Sku], fields: Fields = ORDERABLE
    ) -> list[availability_service_pb2.BatchGetAvailabilityResponse]:
        """Return what a channel may be promised, in order."""
        with _as_call_failed():
            chunks = read_chunks(self._reader, channel_id, skus, fields)
            return [
                availability_service_pb2.BatchGetAvailabilityResponse.FromString(each)
                for each in chunks
            ]

    def explain(
        self,
        channel_id: str,
        sku: Sku,
        request_units: int | None = None,
        bought_units: int = 0,
    ) -> availability_service_pb2.ExplainAvailabilityResponse:
        """Return how a number came to be, and if an order passes."""
        asked = RequestedUnits(request_units, bought_units)
        with _as_call_failed():
            return self._reader.explanation(channel_id, sku, asked)


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
        raise CallFailed(f"--database {without_secrets(database)}: {error}") from None
    with closing(ledger):
        yield DatabaseTarget(ledger)


@contextmanager
def _as_call_failed() -> Iterator[None]:
    try:
        yield
    except InvalidChange as error:
        lines = (f"{each.path}: {each.message}" for each in error.violations)
        raise CallFailed(*lines) from None
    except ChannelNotFound as error:
        raise CallFailed(str(error), reason=CHANNEL_NOT_FOUND) from None
    except StoreUnavailable as error:
        raise CallFailed(str(error), lost=True) from None
    except AvailabilityError as error:
        raise CallFailed(str(error)) from None


def _setup_request(
    request_id: str,
    change: SetupChange,
    locations: Sequence[Location],
    dry_run: bool,
) -> channel_service_pb2.PutSetupRequest:
    try:
        return encode_setup_change(request_id, change, locations, dry_run=dry_run)
    except (ValueError, OverflowError) as error:
        raise CallFailed(f"a number is out of range: {error}") from None


def _put_request(
    request_id: str, locations: Sequence[Location]
) -> stock_service_pb2.PutLocationsRequest:
    return stock_service_pb2.PutLocationsRequest(
        request_id=request_id, locations=map(encode_location, locations)
    )


def import_request(
    request_id: str,
    mode: ImportMode,
    changes: Sequence[StockChange],
    dry_run: bool = False,
    max_drop_permille: int | None = None,
) -> stock_service_pb2.ImportStockRequest:
    """Write one request of an import."""
    return stock_service_pb2.ImportStockRequest(
        request_id=request_id,
        mode=MODE_TO_WIRE[mode],
        changes=map(encode_change, changes),
        dry_run=dry_run,
        max_drop_permille=max_drop_permille,
    )
