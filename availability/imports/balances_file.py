"""Stock and holds from CSV files, as a computation of availability takes them.

Stock: ``location,sku,on_hand`` and any of ``zone,withdrawn,allocated,held,
safety_stock,status,as_of``. Holds: ``channel,sku,quantity``, added up. UTF-8, a
header, columns in any order; an empty cell is an unset field.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from availability.imports.csv_rows import Faults, read_rows
from availability.imports.fields import id_fault, instant_seconds, whole_number_fault
from availability.model import (
    MAX_STOCK_UNITS,
    Location,
    LocationId,
    Sku,
    StockRecord,
)

OPTIONAL_COLUMNS = (
    "zone",
    "withdrawn",
    "allocated",
    "held",
    "safety_stock",
    "status",
    "as_of",
)
STOCK_COLUMNS = ("location", "sku", "on_hand", *OPTIONAL_COLUMNS)
HOLD_COLUMNS = ("channel", "sku", "quantity")
NOT_FOR_KITS = "is a kit: its components have the stock"


@dataclass(slots=True)
class SkuSheet:
    """Of one SKU: its records by location, and which of them are too old."""

    records: dict[LocationId, StockRecord] = field(default_factory=dict)
    stale_ids: set[LocationId] = field(default_factory=set)


def read_stock_sheet(
    path: Path,
    locations: Sequence[Location] | None,
    kits: Container[Sku],
    now_seconds: int,
    faults: Faults,
) -> dict[Sku, SkuSheet]:
    """Return the records of each SKU, in the order of the file; faults are recorded.

    A zone counts if its location has it; other balances are added up over the
    rows of a record. It was counted when the oldest of its rows was, and is stale if
    that is longer ago than its location trusts. ``locations`` None knows all, with
    all their zones.
    """
    known = None if locations is None else {x.location_id: x for x in locations}
    first: dict[tuple[str, str, str], int] = {}
    sheets: dict[Sku, SkuSheet] = {}
    for line, cells in read_rows(path, STOCK_COLUMNS, OPTIONAL_COLUMNS, faults):
        row = dict(zip(STOCK_COLUMNS, cells, strict=False))
        place = None if known is None else known.get(LocationId(row["location"]))
        reasons = _row_faults(row, known is not None, place)
        key = (row["location"], row["sku"], row["zone"])
        if not reasons and key in first:
            zone = f" in zone {row['zone']!r}" if row["zone"] else ""
            message = f"{key[1]} at {key[0]}{zone} is on line {first[key]} already"
            reasons.append(("DUPLICATE_RECORD", message))
        if row["sku"] in kits:
            reasons.append(("NOT_FOR_KITS", f"{row['sku']!r} {NOT_FOR_KITS}"))
        for reason, message in reasons:
            faults.add(f"{path}:{line}", reason, message)
        if not reasons:
            first[key] = line
            _add(sheets.setdefault(Sku(row["sku"]), SkuSheet()), row, place,
                 now_seconds)  # fmt: skip
    return sheets


def _row_faults(
    row: Mapping[str, str], judges_places: bool, place: Location | None
) -> list[tuple[str, str]]:
    reasons = [
        ("BAD_ID", id_fault("location", row["location"])),
        ("BAD_ID", id_fault("sku", row["sku"])),
        ("BAD_QUANTITY", _units_fault("on_hand", row["on_hand"])),
    ]
    if judges_places and place is None and row["location"]:
        message = f"location {row['location']!r} is not in the network file"
        reasons.append(("UNKNOWN_LOCATION", message))
    zone = row["zone"]
    if zone and place is not None and zone not in [x.zone_id for x in place.zones]:
        message = f"location {row['location']!r} has no zone {zone!r}"
        reasons.append(("UNKNOWN_ZONE", message))
    for name in ("withdrawn", "allocated", "held", "safety_stock"):
        if row[name]:
            reasons.append(("BAD_QUANTITY", _units_fault(name, row[name])))
    if row["status"] not in ("", "0", "1"):
        message = f"status must be 0, 1 or empty, got {row['status'][:80]!r}"
        reasons.append(("BAD_STATUS", message))
    if row["as_of"] and instant_seconds(row["as_of"]) is None:
        message = (
            "as_of must be a date, a time and its offset, like 2026-01-31T09:00:00Z, "
            f"got {row['as_of'][:80]!r}"
        )
        reasons.append(("BAD_INSTANT", message))
    return [(reason, message) for reason, message in reasons if message]


def _units_fault(name: str, text: str) -> str:
    return whole_number_fault(name, text, 0, MAX_STOCK_UNITS)


def _add(
    sheet: SkuSheet, row: Mapping[str, str], place: Location | None, now_seconds: int
) -> None:
    """Add a row that has no fault to what is known of its SKU."""
    at = LocationId(row["location"])
    before = sheet.records.get(at, StockRecord(at, Sku(row["sku"]), 0))
    zones = {} if place is None else {x.zone_id: x.available for x in place.zones}
    # What is in no zone always sells; what is out of stock by its status never does.
    counts = row["status"] != "0" and zones.get(row["zone"], True)
    counted_seconds = instant_seconds(row["as_of"]) or now_seconds
    if before.counted_seconds:
        counted_seconds = min(counted_seconds, before.counted_seconds)
    sheet.records[at] = StockRecord(
        at,
        before.sku,
        before.on_hand + (int(row["on_hand"]) if counts else 0),
        before.allocated + int(row["allocated"] or 0),
        before.safety_stock + int(row["safety_stock"] or 0),
        before.held + int(row["held"] or 0),
        before.withdrawn + int(row["withdrawn"] or 0),
        counted_seconds,
    )
    trusted_seconds = 0 if place is None else place.stale_after_seconds
    if trusted_seconds and now_seconds - counted_seconds > trusted_seconds:
        sheet.stale_ids.add(at)


def read_holds(
    path: Path,
    channel_ids: Container[str] | None,
    kits: Container[Sku],
    faults: Faults,
) -> dict[Sku, dict[str, int]]:
    """Return the units queued of each SKU on each channel; faults are recorded.

    A quantity below 0 takes back; in sum that is a fault. ``channel_ids`` None knows
    all.
    """
    held: dict[Sku, dict[str, int]] = {}
    last: dict[tuple[str, str], int] = {}
    for line, (channel_id, sku, units, _) in read_rows(path, HOLD_COLUMNS, (), faults):
        reasons = [
            ("BAD_ID", id_fault("channel", channel_id)),
            ("BAD_ID", id_fault("sku", sku)),
            (
                "BAD_QUANTITY",
                whole_number_fault(
                    "quantity", units, -MAX_STOCK_UNITS, MAX_STOCK_UNITS
                ),
            ),
        ]
        if channel_ids is not None and channel_id and channel_id not in channel_ids:
            message = f"channel {channel_id!r} is not in the network file"
            reasons.append(("UNKNOWN_CHANNEL", message))
        if sku in kits:
            reasons.append(("NOT_FOR_KITS", f"{sku!r} {NOT_FOR_KITS}"))
        found = [(reason, message) for reason, message in reasons if message]
        for reason, message in found:
            faults.add(f"{path}:{line}", reason, message)
        if not found:
            queued = held.setdefault(Sku(sku), {})
            queued[channel_id] = queued.get(channel_id, 0) + int(units)
            last[channel_id, sku] = line
    for (channel_id, sku), line in last.items():
        total = held[Sku(sku)][channel_id]
        if total < 0:
            message = f"the holds of {sku} on {channel_id} add up to {total}, below 0"
            faults.add(f"{path}:{line}", "BELOW_ZERO", message)
    return held
