"""Rows of stock files in three formats, each row judged by itself.

``csv``: ``location,sku,on_hand`` and, if wanted, ``zone`` and ``safety_stock``.
``source-items``: what Adobe Commerce exports. ``stockstocks``: the EDI file of
Altazion. All are UTF-8 with a header, their columns in any order; which of them a
file is has to be given.
"""

import enum
from collections.abc import Callable, Container, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from availability.imports.csv_rows import Advance, Faults, read_rows
from availability.imports.fields import (
    decimal_fault,
    id_fault,
    whole_number_fault,
)
from availability.model import MAX_STOCK_UNITS, ImportMode

# As long as the digits are fewer than those of the largest quantity, a number is
# small enough without being looked at.
_SAFE_DIGITS = len(str(MAX_STOCK_UNITS)) - 1

MAX_REMEMBERED = 50_000
"""Ids that are kept in memory, so that a file of any size takes the same."""

Fault = tuple[str, str]
"""A stable reason, and a sentence."""


class StockFormat(enum.Enum):
    """The format of a stock file: always given, never guessed."""

    CSV = "csv"
    SOURCE_ITEMS = "source-items"
    STOCKSTOCKS = "stockstocks"


class StockRow(NamedTuple):
    """One row without a fault of its own.

    ``line`` counts from 1; quantities are in units. ``safety_stock`` None leaves it
    as it was. ``place_type`` is what the file calls the location's type, if it has
    types.
    """

    line: int
    location: str
    sku: str
    on_hand: int
    safety_stock: int | None = None
    zone: str = ""
    place_type: str = ""


class _Rest(NamedTuple):
    """Values that not every format has."""

    safety_stock: int | None = None
    zone: str = ""
    place_type: str = ""
    out_of_stock: bool = False


_NO_REST = _Rest()
_OUT_OF_STOCK = _Rest(out_of_stock=True)


def _csv_rest(cells: Sequence[str], reasons: list[Fault]) -> _Rest:
    zone, safety, _ = cells
    if not zone and not safety:
        return _NO_REST
    if zone and (fault := id_fault("zone", zone)):
        reasons.append(("BAD_ID", fault))
    if not safety:
        return _Rest(zone=zone)
    if fault := whole_number_fault("safety_stock", safety, 0, MAX_STOCK_UNITS):
        reasons.append(("BAD_QUANTITY", fault))
        return _NO_REST
    return _Rest(int(safety), zone)


def _source_items_rest(cells: Sequence[str], reasons: list[Fault]) -> _Rest:
    status, _ = cells
    if status == "0":
        return _OUT_OF_STOCK
    if status not in ("", "1"):
        message = f"status must be 0, 1 or empty, got {status[:80]!r}"
        reasons.append(("BAD_STATUS", message))
    return _NO_REST


# Two words of the vendor for the same type.
_PLACE_TYPES = {
    "DEPOT": _Rest(place_type="DEPOT"),
    "DPT": _Rest(place_type="DEPOT"),
    "MAG": _Rest(place_type="MAG"),
}
_MAIN_REFERENCE = ("", "REF")


def _stockstocks_rest(cells: Sequence[str], reasons: list[Fault]) -> _Rest:
    depot_type, type_ref, _ = cells
    rest = _PLACE_TYPES.get(depot_type)
    if rest is None:
        known = ", ".join(_PLACE_TYPES)
        message = f"depot_type must be one of {known}, got {depot_type[:80]!r}"
        reasons.append(("BAD_PLACE_TYPE", message))
    if type_ref not in _MAIN_REFERENCE:
        message = (
            f"type_ref is {type_ref[:80]!r}, and a SKU is known by its main reference "
            "only: leave type_ref empty, or REF, and put that reference into art_ref"
        )
        reasons.append(("BAD_REFERENCE_TYPE", message))
    return rest or _NO_REST


class _Format(NamedTuple):
    """Its names for location, SKU and quantity, then its other columns."""

    columns: tuple[str, ...]
    optional: tuple[str, ...]
    separators: str
    quantity_fault: Callable[[str, str, int, int], str]
    read_rest: Callable[[Sequence[str], list[Fault]], _Rest]


_FORMATS = {
    StockFormat.CSV: _Format(
        ("location", "sku", "on_hand", "zone", "safety_stock"),
        ("zone", "safety_stock"),
        ",",
        whole_number_fault,
        _csv_rest,
    ),
    StockFormat.SOURCE_ITEMS: _Format(
        ("source_code", "sku", "quantity", "status"),
        ("status",),
        ",",
        decimal_fault,
        _source_items_rest,
    ),
    StockFormat.STOCKSTOCKS: _Format(
        ("depot_code", "art_ref", "qte", "depot_type", "type_ref"),
        ("type_ref",),
        ";|",
        decimal_fault,
        _stockstocks_rest,
    ),
}


def read_stock(
    path: Path,
    stock_format: StockFormat,
    mode: ImportMode,
    faults: Faults,
    *,
    known: Container[str] | None = None,
    advance: Advance | None = None,
) -> Iterator[StockRow]:
    """Yield the rows that have no fault of their own, in the order of the file.

    Only a DELTA may have quantities below 0, and a DELETE looks at none. Rows at
    locations that ``known`` does not have are faults; ``None`` knows all.
    """
    form = _FORMATS[stock_format]
    name, sku_name, units_name = form.columns[:3]
    read_rest = form.read_rest
    optional = form.optional
    deletes = mode is ImportMode.DELETE
    if deletes:
        optional = (*optional, units_name)
    least = -MAX_STOCK_UNITS if mode is ImportMode.DELTA else 0
    rows = read_rows(
        path,
        form.columns,
        optional,
        faults,
        separators=form.separators,
        advance=advance,
    )
    # Ids found sound are not judged again, as long as there are not too many.
    places: set[str] = set()
    skus: set[str] = set()
    for line, (location, sku, units, *cells) in rows:
        reasons: list[Fault] = []
        if location not in places:
            if fault := id_fault(name, location):
                reasons.append(("BAD_ID", fault))
            elif known is not None and location not in known:
                message = f"{name} {location!r} is not in the locations file"
                reasons.append(("UNKNOWN_LOCATION", message))
            else:
                _remember(location, places)
        if sku not in skus:
            if fault := id_fault(sku_name, sku):
                reasons.append(("BAD_ID", fault))
            else:
                _remember(sku, skus)
        if deletes:
            units = "0"
        elif not (
            units.isdecimal() and units.isascii() and len(units) <= _SAFE_DIGITS
        ) and (fault := form.quantity_fault(units_name, units, least, MAX_STOCK_UNITS)):
            reasons.append(("BAD_QUANTITY", fault))
        rest = read_rest(cells, reasons)
        if rest.out_of_stock and mode is ImportMode.DELTA:
            message = (
                "status 0 means 0 on hand, which a delta cannot express: use --mode set"
            )
            reasons.append(("BAD_STATUS", message))
        if deletes and rest is not _NO_REST:
            if rest.zone:
                message = "a delete is of all zones: leave zone empty"
                reasons.append(("BAD_ZONE", message))
            rest = _Rest(place_type=rest.place_type)
        if reasons:
            for reason, message in reasons:
                faults.add(f"{path}:{line}", reason, message)
            continue
        on_hand = 0 if rest.out_of_stock else int(units.partition(".")[0])
        yield StockRow(
            line, location, sku, on_hand, rest.safety_stock, rest.zone, rest.place_type
        )


def _remember(sound: str, among: set[str]) -> None:
    if len(among) >= MAX_REMEMBERED:
        among.clear()
    among.add(sound)
