"""The requests that a server and a database take, and names of their replies."""

from collections.abc import Sequence

from availability.model import ImportMode, Location, StockChange
from availability.setup.setup import SetupChange
from availability.v1 import channel_service_pb2, stock_service_pb2
from router.cli.remote.client import CallFailed
from router.rpc.codec.enums import MODE_TO_WIRE
from router.rpc.codec.offers import MAX_ORDERABLE, SINGLE_LOCATION
from router.rpc.codec.setup import encode_setup_change
from router.rpc.codec.stock import encode_change, encode_location

CHANNEL_NOT_FOUND = "CHANNEL_NOT_FOUND"
"""The reason of a call that failed because no channel has the id."""
ORDERABLE = (MAX_ORDERABLE, SINGLE_LOCATION)
"""The columns with how many units one order may have."""


def setup_request(
    request_id: str,
    change: SetupChange,
    locations: Sequence[Location],
    dry_run: bool,
) -> channel_service_pb2.PutSetupRequest:
    """Return one request of a network file; raises CallFailed."""
    try:
        return encode_setup_change(request_id, change, locations, dry_run=dry_run)
    except (ValueError, OverflowError) as error:
        raise CallFailed(f"a number is out of range: {error}") from None


def locations_request(
    request_id: str, locations: Sequence[Location]
) -> stock_service_pb2.PutLocationsRequest:
    """Return one request of locations."""
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
    """Return one request of stock."""
    return stock_service_pb2.ImportStockRequest(
        request_id=request_id,
        mode=MODE_TO_WIRE[mode],
        changes=map(encode_change, changes),
        dry_run=dry_run,
        max_drop_permille=max_drop_permille,
    )
