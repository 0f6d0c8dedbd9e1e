"""A database as a target, written as a server would write it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from availability.errors import (
    AvailabilityError,
    ChannelNotFound,
    InvalidChange,
    StoreUnavailable,
)
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
from availability.v1 import availability_service_pb2
from router.cli.remote.client import CallFailed
from router.cli.remote.requests import (
    CHANNEL_NOT_FOUND,
    ORDERABLE,
    import_request,
    locations_request,
    setup_request,
)
from router.rpc.background.offer_rows import OfferReader
from router.rpc.codec.explanation import RequestedUnits
from router.rpc.codec.offers import Fields
from router.rpc.codec.request import decode_request
from router.rpc.codec.results import decode_result, encode_result
from router.rpc.services.availability import read_chunks
from router.rpc.services.channels import put_setup, read_put


class DatabaseTarget:
    """A database opened by this process.

    It stores the same request ids and replies as a server: a request begun here may
    be repeated there.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._reader = OfferReader(Offering(ledger, time.time))

    def put_locations(
        self, request_id: str, locations: Sequence[Location]
    ) -> PutResult:
        """Create or replace locations."""
        wire = locations_request(request_id, locations)
        request = decode_request("PutLocations", wire, request_id, [])
        with _as_call_failed():
            reply = self._ledger.put_locations(locations, request, encode_result)
        return decode_result(PutResult, reply)

    def import_stock(
        self,
        request_id: str,
        mode: ImportMode,
        changes: Sequence[StockChange],
        *,
        dry_run: bool = False,
        max_drop_permille: int | None = None,
    ) -> ImportResult:
        """Set or change on-hand units."""
        wire = import_request(request_id, mode, changes, dry_run, max_drop_permille)
        request = decode_request("ImportStock", wire, request_id, [])
        with _as_call_failed():
            reply = self._ledger.import_stock(
                mode,
                changes,
                request,
                encode_result,
                dry_run=dry_run,
                max_drop_permille=max_drop_permille,
            )
        return decode_result(ImportResult, reply)

    def locations(self) -> list[Location]:
        """Return all locations, in rank order."""
        return list(self._ledger.network().locations)

    def setup(self) -> Setup:
        """Return channels, settings, allocations, kits and supplies."""
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
        """Change a setup and locations at once."""
        wire = setup_request(request_id, change, locations, dry_run)
        with _as_call_failed():
            # Decoded as a server does, so that what a server refuses is refused here.
            request, change, locations = read_put(wire)
            reply = put_setup(self._ledger, change, locations, request, dry_run=dry_run)
        return decode_result(SetupResult, reply)

    def skus(self, channel_id: str) -> list[Sku]:
        """Return all SKUs a channel may offer, with kits, sorted."""
        with _as_call_failed():
            return sorted(self._reader.skus(channel_id))

    def offers(
        self, channel_id: str, skus: Sequence[Sku], fields: Fields = ORDERABLE
    ) -> list[availability_service_pb2.BatchGetAvailabilityResponse]:
        """Return the offers of a channel, in the order of ``skus``."""
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
        """Return the steps to an offer, and if an order passes."""
        requested = RequestedUnits(request_units, bought_units)
        with _as_call_failed():
            return self._reader.explanation(channel_id, sku, requested)


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
