"""Stock and locations from CSV files.

Stock: ``location,sku,on_hand``. Locations: ``location`` and any of
``rank,kind,latitude,longitude,active,origin,capacity_orders,capacity_units``; an
empty cell is an unset field. UTF-8, a header, columns in any order. A file with
one fault in it is refused whole, with all of its faults.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from availability.imports.csv_rows import Faults, read_rows
from availability.imports.fields import (
    BOOLEANS,
    KINDS,
    coordinate_fault,
    id_fault,
    whole_number_fault,
)
from availability.model import (
    MAX_STOCK_UNITS,
    UNRANKED,
    Location,
    LocationId,
    LocationKind,
    Sku,
)

STOCK_COLUMNS = ("location", "sku", "on_hand")
LOCATION_COLUMNS = (
    "rank",
    "kind",
    "latitude",
    "longitude",
    "active",
    "origin",
    "capacity_orders",
    "capacity_units",
)
MAX_RANK = 1_000_000
MAX_CAPACITY_ORDERS = 2**31 - 1
# As long as the digits are fewer than those of the largest quantity, a number is
# small enough without being looked at.
_SAFE_DIGITS = len(str(MAX_STOCK_UNITS)) - 1


@dataclass(frozen=True, slots=True)
class StockFiles:
    """What the files say: locations, and units on hand by location, then SKU.

    ``locations`` are in the order of the file; without a locations file, those
    of the stock file in order of appearance, ranked 1, 2, 3...
    """

    locations: tuple[Location, ...]
    on_hand: Mapping[LocationId, Mapping[Sku, int]]

    @property
    def record_count(self) -> int:
        """Stock records in the file."""
        return sum(len(held) for held in self.on_hand.values())


def read_files(
    stock: Path | None, locations: Path | None = None, *, delta: bool = False
) -> StockFiles:
    """Read a stock file, a locations file, or both.

    With ``delta`` the quantities are changes and may be negative.

    Raises
    ------
    BadFile
        Either has faults; those of both are listed.
    """
    faults = Faults()
    listed = None if locations is None else _read_locations(locations, faults)
    # Bad locations would make good stock rows look as if they named none.
    known = None if listed is None or faults.count else {x.location_id for x in listed}
    on_hand = {} if stock is None else _read_stock(stock, faults, known, delta=delta)
    faults.raise_any()
    if listed is None:
        listed = [Location(key, rank) for rank, key in enumerate(on_hand, start=1)]
    return StockFiles(tuple(listed), on_hand)


def _read_stock(
    path: Path, faults: Faults, known: Container[str] | None, *, delta: bool
) -> dict[LocationId, dict[Sku, int]]:
    on_hand: dict[LocationId, dict[Sku, int]] = {}
    # A SKU is judged once and kept once, however many locations hold it.
    skus: dict[str, Sku] = {}
    least = -MAX_STOCK_UNITS if delta else 0
    for line, (location, sku, units, _) in read_rows(path, STOCK_COLUMNS, (), faults):
        held = on_hand.get(LocationId(location))
        if (
            held is not None
            and sku in skus
            and sku not in held
            and units.isdecimal()
            and units.isascii()
            and len(units) <= _SAFE_DIGITS
        ):
            held[skus[sku]] = int(units)
            continue
        # The first row of a location or SKU, or a row with a fault.
        reasons = _stock_faults(location, sku, units, least, known)
        if not reasons and held is not None and sku in held:
            reasons = [("DUPLICATE_RECORD", f"{sku} at {location} appears twice")]
        for reason, message in reasons:
            faults.add(f"{path}:{line}", reason, message)
        if not reasons:
            key = skus.setdefault(sku, Sku(sku))
            on_hand.setdefault(LocationId(location), {})[key] = int(units)
    return on_hand


def _stock_faults(
    location: str, sku: str, units: str, least: int, known: Container[str] | None
) -> list[tuple[str, str]]:
    reasons = []
    if fault := id_fault("location", location):
        reasons.append(("BAD_ID", fault))
    elif known is not None and location not in known:
        message = f"location {location!r} is not in the locations file"
        reasons.append(("UNKNOWN_LOCATION", message))
    if fault := id_fault("sku", sku):
        reasons.append(("BAD_ID", fault))
    if fault := whole_number_fault("on_hand", units, least, MAX_STOCK_UNITS):
        reasons.append(("BAD_QUANTITY", fault))
    return reasons


def _read_locations(path: Path, faults: Faults) -> list[Location]:
    listed: dict[str, Location] = {}
    for line, row in read_rows(path, ("location",), LOCATION_COLUMNS, faults):
        reasons = _location_faults(row)
        if not reasons and row[0] in listed:
            reasons = [("DUPLICATE_LOCATION", f"location {row[0]!r} appears twice")]
        for reason, message in reasons:
            faults.add(f"{path}:{line}", reason, message)
        if not reasons:
            listed[row[0]] = _location(row)
    return list(listed.values())


def _location_faults(row: Sequence[str]) -> list[tuple[str, str]]:
    location, rank, kind, latitude, longitude, active, origin, orders, units, _ = row
    reasons = [("BAD_ID", id_fault("location", location))]
    if rank:
        reasons.append(("BAD_RANK", whole_number_fault("rank", rank, 1, MAX_RANK)))
    if kind and kind not in KINDS:
        message = f"kind must be one of {', '.join(KINDS)}, got {kind[:80]!r}"
        reasons.append(("BAD_KIND", message))
    for name, value, limit in (
        ("latitude", latitude, 90),
        ("longitude", longitude, 180),
    ):
        if value:
            reasons.append(("BAD_COORDINATE", coordinate_fault(name, value, limit)))
    if bool(latitude) != bool(longitude):
        message = "latitude and longitude come together: give both or neither"
        reasons.append(("BAD_COORDINATE", message))
    if active and active.lower() not in BOOLEANS:
        message = f"active must be one of {', '.join(BOOLEANS)}, got {active[:80]!r}"
        reasons.append(("BAD_BOOLEAN", message))
    if origin:
        reasons.append(("BAD_ID", id_fault("origin", origin)))
    for name, value, limit in (
        ("capacity_orders", orders, MAX_CAPACITY_ORDERS),
        ("capacity_units", units, MAX_STOCK_UNITS),
    ):
        if value:
            reasons.append(("BAD_CAPACITY", whole_number_fault(name, value, 0, limit)))
    return [(reason, message) for reason, message in reasons if message]


def _location(row: Sequence[str]) -> Location:
    location, rank, kind, latitude, longitude, active, origin, orders, units, _ = row
    return Location(
        LocationId(location),
        rank=int(rank) if rank else UNRANKED,
        kind=LocationKind(kind) if kind else LocationKind.WAREHOUSE,
        active=BOOLEANS[active.lower()] if active else True,
        latitude=float(latitude) if latitude else None,
        longitude=float(longitude) if longitude else None,
        origin_id=origin,
        capacity_orders=int(orders) if orders else None,
        capacity_units=int(units) if units else None,
    )
