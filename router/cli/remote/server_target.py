"""A running server as a target."""

from collections.abc import Sequence

from availability.model import (
    ImportMode,
    ImportResult,
    Location,
    PutResult,
    Sku,
    StockChange,
)
from availability.setup.setup import Setup, SetupChange, SetupResult
from availability.v1 import (
    availability_service_pb2,
    channel_service_pb2,
    stock_service_pb2,
)
from router.cli.remote.client import CallFailed, Client
from router.cli.remote.requests import (
    ORDERABLE,
    import_request,
    locations_request,
    setup_request,
)
from router.rpc.codec.offers import Fields
from router.rpc.codec.request import MAX_PAGE
from router.rpc.codec.results import read_result
from router.rpc.codec.setup import SetupItems
from router.rpc.codec.stock import decode_location

READS = 4
"""Most reads of a setup that others keep changing."""


class ServerTarget:
    """A running server."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def put_locations(
        self, request_id: str, locations: Sequence[Location]
    ) -> PutResult:
        """Create or replace locations."""
        wire = locations_request(request_id, locations)
        reply = self._client.call(self._client.stock.PutLocations, wire)
        return read_result(PutResult, reply)

    def import_stock(
        self,
        request_id: str,
        mode: ImportMode,
        changes: Sequence[StockChange],
        *,
        dry_run: bool = False,
        max_drop_permille: int | None = None,
    ) -> ImportResult:
        """Set or change on-hand units.

        ``dry_run`` and ``max_drop_permille`` as in `Ledger.import_stock`.
        """
        wire = import_request(request_id, mode, changes, dry_run, max_drop_permille)
        reply = self._client.call(self._client.stock.ImportStock, wire)
        return read_result(ImportResult, reply)

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
        """Return channels, settings, allocations, kits and supplies.

        The ``consumed_units`` of the allocations are current.
        """
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
        """Change a setup and locations at once."""
        wire = setup_request(request_id, change, locations, dry_run)
        reply = self._client.call(self._client.channels.PutSetup, wire)
        return read_result(SetupResult, reply)

    def skus(self, channel_id: str) -> list[Sku]:
        """Return all SKUs a channel may offer, with kits, sorted."""
        request = availability_service_pb2.WatchAvailabilityRequest(
            channel_id=channel_id
        )
        # A stream begins with every SKU, from memory; pages of stock would have a
        # record for each location of each. The resume token marks the last batch.
        batches = self._client.collect(
            self._client.availability.WatchAvailability,
            request,
            lambda batch: bool(batch.resume_token),
        )
        if not batches or not batches[-1].resume_token:
            raise CallFailed(f"{self._client.address}: the server is shutting down")
        return [Sku(each) for batch in batches for each in batch.skus]

    def offers(
        self, channel_id: str, skus: Sequence[Sku], fields: Fields = ORDERABLE
    ) -> list[availability_service_pb2.BatchGetAvailabilityResponse]:
        """Return the offers of a channel, in the order of ``skus``.

        At most 50,000 SKUs; ``fields`` adds columns to those always returned.
        """
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
        """Return the steps to an offer, and if an order passes."""
        request = availability_service_pb2.ExplainAvailabilityRequest(
            channel_id=channel_id,
            sku=sku,
            request_units=request_units,
            bought_units=bought_units,
        )
        availability = self._client.availability
        return self._client.call(availability.ExplainAvailability, request)
