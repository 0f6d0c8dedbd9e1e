"""Locations from CSV files.

``location`` and any of ``rank,kind,latitude,longitude,active,origin,
capacity_orders,capacity_units,lead_time_minutes``; an empty cell is an unset field.
UTF-8, a header, columns in any order.
"""

from collections.abc import Sequence
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
)

LOCATION_COLUMNS = (
    "rank",
    "kind",
    "latitude",
    "longitude",
    "active",
    "origin",
    "capacity_orders",
    "capacity_units",
    "lead_time_minutes",
)
MAX_RANK = 1_000_000
MAX_CAPACITY_ORDERS = 2**31 - 1
MAX_LEAD_TIME_MINUTES = 10_000_000


def read_locations(path: Path, faults: Faults) -> list[Location]:
    """Return the locations of a file, in its order; faults are recorded."""
    listed: dict[str, Location] = {}
    columns = ("location", *LOCATION_COLUMNS)
    for line, row in read_rows(path, columns, LOCATION_COLUMNS, faults):
        reasons = _location_faults(row)
        if not reasons and row[0] in listed:
            reasons = [("DUPLICATE_LOCATION", f"location {row[0]!r} appears twice")]
        for reason, message in reasons:
            faults.add(f"{path}:{line}", reason, message)
        if not reasons:
            listed[row[0]] = _location(row)
    return list(listed.values())


def _location_faults(row: Sequence[str]) -> list[tuple[str, str]]:
    location, rank, kind, latitude, longitude, active, *more, _ = row
    origin, orders, units, lead_time = more
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
    if lead_time:
        name, limit = "lead_time_minutes", MAX_LEAD_TIME_MINUTES
        fault = whole_number_fault(name, lead_time, 0, limit)
        reasons.append(("BAD_LEAD_TIME", fault))
    return [(reason, message) for reason, message in reasons if message]


def _location(row: Sequence[str]) -> Location:
    location, rank, kind, latitude, longitude, active, *more, _ = row
    origin, orders, units, lead_time = more
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
        lead_time_minutes=int(lead_time) if lead_time else 0,
    )
