"""Stock and locations as files give them, all of it in memory.

For who needs all of it at once; an import stages its rows on disk instead.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from availability.imports.csv_rows import Faults
from availability.imports.locations_file import read_locations
from availability.imports.stock_formats import StockFormat, read_stock
from availability.model import ImportMode, Location, LocationId, Sku


@dataclass(frozen=True, slots=True)
class StockFiles:
    """Two files read: locations, and units on hand by location, then SKU.

    ``locations`` are in the order of the file; without a locations file, those
    of the stock file in order of appearance, ranked 1, 2, 3...
    """

    locations: tuple[Location, ...]
    on_hand: Mapping[LocationId, Mapping[Sku, int]]


def read_files(stock: Path, locations: Path | None = None) -> StockFiles:
    """Read a stock file with ``location,sku,on_hand``, and a locations file.

    Raises
    ------
    BadFile
        Either has faults; those of both are listed.
    """
    faults = Faults()
    listed = None if locations is None else read_locations(locations, faults)
    # Bad locations would make good stock rows look as if they named none.
    known = None if listed is None or faults.count else {x.location_id for x in listed}
    on_hand = _read_on_hand(stock, faults, known)
    faults.raise_any()
    if listed is None:
        listed = [Location(key, rank) for rank, key in enumerate(on_hand, start=1)]
    return StockFiles(tuple(listed), on_hand)


def _read_on_hand(
    path: Path, faults: Faults, known: set[LocationId] | None
) -> dict[LocationId, dict[Sku, int]]:
    on_hand: dict[LocationId, dict[Sku, int]] = {}
    # A SKU is kept once, however many locations hold it.
    skus: dict[str, Sku] = {}
    rows = read_stock(path, StockFormat.CSV, ImportMode.SET, faults, known=known)
    for row in rows:
        held = on_hand.setdefault(LocationId(row.location), {})
        sku = skus.setdefault(row.sku, Sku(row.sku))
        if row.zone or row.safety_stock is not None:
            message = "zone and safety_stock are for imports: remove these columns"
            faults.add(f"{path}:{row.line}", "NOT_FOR_ROUTING", message)
        elif sku in held:
            message = f"{row.sku} at {row.location} appears twice"
            faults.add(f"{path}:{row.line}", "DUPLICATE_RECORD", message)
        else:
            held[sku] = row.on_hand
    return on_hand
