"""An import cut into requests that a server takes, each safe to repeat."""

from collections.abc import Iterator, Mapping, Sequence

from availability.errors import BadFile, Violation
from availability.imports.csv_rows import MAX_FAULTS
from availability.model import ImportMode, Location, LocationId, Sku, StockChange

MAX_CHANGES = 50_000
"""Most stock records in one request."""
CHUNK_CHANGES = 10_000
"""Records in one request, if we may choose: orders wait while it is applied."""
CHUNK_BYTES = 2 * 2**20
MAX_BYTES = 3_900_000
"""Under gRPC's limit of 4 MiB for a message, with room for what is around."""
CHUNK_LOCATIONS = 1_000

# Of one record on the wire: tags and lengths of it and of its fields, and the
# widest quantity.
_RECORD_BYTES = 24


def check_snapshot(on_hand: Mapping[LocationId, Mapping[Sku, int]]) -> None:
    """Refuse a snapshot that would have to be cut inside a location.

    A SNAPSHOT sets to zero what its request does not name, so that all records
    of a location have to be in one.

    Raises
    ------
    BadFile
        Some location's records do not fit into one request; all are listed.
    """
    too_large: list[Violation] = []
    for location, held in on_hand.items():
        weight = sum(_bytes(location, sku) for sku in held)
        if len(held) > MAX_CHANGES or weight > MAX_BYTES:
            message = (
                f"{len(held):,} records are too many for one snapshot, which takes "
                f"{MAX_CHANGES:,} and {MAX_BYTES:,} bytes: use --mode set"
            )
            too_large.append(
                Violation(f"location {location}", "SNAPSHOT_TOO_LARGE", message)
            )
    if too_large:
        raise BadFile(too_large[:MAX_FAULTS], len(too_large))


def stock_chunks(
    on_hand: Mapping[LocationId, Mapping[Sku, int]], mode: ImportMode
) -> Iterator[tuple[StockChange, ...]]:
    """Cut stock into requests, the same way every time.

    One that is too large is only made of a snapshot that `check_snapshot`
    refuses.
    """
    chunk: list[StockChange] = []
    size = 0
    for changes, weight in _pieces(on_hand, whole=mode is ImportMode.SNAPSHOT):
        full = len(chunk) + len(changes) > CHUNK_CHANGES
        if chunk and (full or size + weight > CHUNK_BYTES):
            yield tuple(chunk)
            chunk, size = [], 0
        chunk += changes
        size += weight
    if chunk:
        yield tuple(chunk)


def _pieces(
    on_hand: Mapping[LocationId, Mapping[Sku, int]], *, whole: bool
) -> Iterator[tuple[list[StockChange], int]]:
    """Yield what must stay together, and its bytes on the wire at most."""
    for location, held in on_hand.items():
        if whole:
            changes = [StockChange(location, sku, units) for sku, units in held.items()]
            yield changes, sum(_bytes(location, sku) for sku in held)
        else:
            for sku, units in held.items():
                yield [StockChange(location, sku, units)], _bytes(location, sku)


def location_chunks(locations: Sequence[Location]) -> list[Sequence[Location]]:
    """Cut locations into requests."""
    return [
        locations[start : start + CHUNK_LOCATIONS]
        for start in range(0, len(locations), CHUNK_LOCATIONS)
    ]


def _bytes(location: LocationId, sku: Sku) -> int:
    return len(location.encode()) + len(sku.encode()) + _RECORD_BYTES
