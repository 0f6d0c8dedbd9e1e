"""An import cut into requests within a server's limits, each safe to repeat."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from availability.imports.csv_rows import Faults
from availability.imports.staging import Weight
from availability.model import ImportMode, Location, StockChange

MAX_CHANGES = 50_000
"""Most stock records in one request."""
CHUNK_CHANGES = 10_000
"""Usual records in one request: orders wait while it is applied."""
CHUNK_BYTES = 2 * 2**20
MAX_BYTES = 3_900_000
"""Below gRPC's 4 MiB for a message, with room for the other fields."""
CHUNK_LOCATIONS = 1_000

# One record on the wire without its ids: tags, lengths and the widest quantities.
_RECORD_BYTES = 32


def check_snapshot(weights: Iterable[Weight]) -> None:
    """Refuse a snapshot that would have to be cut inside a location.

    A SNAPSHOT zeroes what its request does not list, so all records of a location
    must be in one request.

    Raises
    ------
    BadFile
        A location's records do not fit into one request; lists all of them.
    """
    faults = Faults()
    for location, count, id_bytes in weights:
        if count > MAX_CHANGES or id_bytes + count * _RECORD_BYTES > MAX_BYTES:
            message = (
                f"{count:,} records exceed one snapshot ({MAX_CHANGES:,} records, "
                f"{MAX_BYTES:,} bytes): use --mode set"
            )
            faults.add(f"location {location}", "SNAPSHOT_TOO_LARGE", message)
    faults.raise_any()


def stock_chunks(
    changes: Iterable[StockChange], mode: ImportMode
) -> Iterator[tuple[StockChange, ...]]:
    """Cut stock into requests, the same way every time.

    The changes of a location are consecutive. A request is only too large for a
    snapshot that `check_snapshot` refuses.
    """
    chunk: list[StockChange] = []
    size = 0
    for piece, weight in _pieces(changes, whole=mode is ImportMode.SNAPSHOT):
        full = len(chunk) + len(piece) > CHUNK_CHANGES
        if chunk and (full or size + weight > CHUNK_BYTES):
            yield tuple(chunk)
            chunk, size = [], 0
        chunk += piece
        size += weight
    if chunk:
        yield tuple(chunk)


def _pieces(
    changes: Iterable[StockChange], *, whole: bool
) -> Iterator[tuple[list[StockChange], int]]:
    """Yield changes that must stay together, and their maximum bytes on the wire."""
    if whole:
        for _, group in groupby(changes, attrgetter("location_id")):
            piece = list(group)
            yield piece, sum(map(_bytes, piece))
    else:
        for change in changes:
            yield [change], _bytes(change)


def location_chunks(locations: Sequence[Location]) -> list[Sequence[Location]]:
    """Cut locations into requests."""
    return [
        locations[start : start + CHUNK_LOCATIONS]
        for start in range(0, len(locations), CHUNK_LOCATIONS)
    ]


def _bytes(change: StockChange) -> int:
    ids = change.location_id + change.sku + change.zone_id
    return (len(ids) if ids.isascii() else len(ids.encode())) + _RECORD_BYTES
