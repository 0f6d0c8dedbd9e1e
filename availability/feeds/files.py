"""Files of what was sent: CSV and JSON, written and read back."""

import csv
import datetime
import io
import json
from collections.abc import Iterable
from pathlib import Path

from availability.feeds.rows import SHORT_UNITS, FeedRow
from availability.imports.csv_rows import Faults, read_rows
from availability.imports.fields import id_fault, instant_seconds, whole_number_fault
from availability.model import Sku

COLUMNS = (
    "sku",
    "quantity_on_hand",
    "quantity_backordered",
    "quantity_on_order",
    "next_available",
)


MOST_UNITS = 10**15 - 1
"""The largest number of a feed that is read: many locations have more than one may."""


def read_sent(paths: Iterable[Path]) -> dict[Sku, FeedRow]:
    """Return what a receiver has after files that were sent to it in this order.

    Raises
    ------
    BadFile
        A file is none of this command's: every fault, as ``file:line: message``.
    """
    faults = Faults()
    sent: dict[Sku, FeedRow] = {}
    for path in paths:
        sent |= _read_feed(path, faults)
    faults.raise_any()
    return sent


def _read_feed(path: Path, faults: Faults) -> dict[Sku, FeedRow]:
    found: dict[Sku, FeedRow] = {}
    first: dict[str, int] = {}
    for line, (sku, *cells, _) in read_rows(path, COLUMNS, (), faults):
        reasons = [("BAD_ID", id_fault("sku", sku))]
        for name, text in zip(COLUMNS[1:4], cells, strict=False):
            least = SHORT_UNITS if name == "quantity_on_hand" else 0
            fault = whole_number_fault(name, text, least, MOST_UNITS)
            reasons.append(("BAD_QUANTITY", fault))
        seconds = instant_seconds(cells[3])
        if cells[3] and seconds is None:
            message = (
                "next_available must be a date, a time and its offset, like "
                f"2026-01-31T09:00:00Z, got {cells[3][:80]!r}"
            )
            reasons.append(("BAD_INSTANT", message))
        if sku in first:
            message = f"{sku!r} is on line {first[sku]} already"
            reasons.append(("DUPLICATE_RECORD", message))
        first.setdefault(sku, line)
        wrong = [(reason, message) for reason, message in reasons if message]
        for reason, message in wrong:
            faults.add(f"{path}:{line}", reason, message)
        if not wrong:
            on_hand, backordered, on_order = map(int, cells[:3])
            found[Sku(sku)] = FeedRow(Sku(sku), on_hand, backordered, on_order, seconds)
    return found


def feed_csv(rows: Iterable[FeedRow]) -> str:
    """Return rows as CSV, with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_cells(each) for each in rows)
    return text.getvalue()


def feed_json(rows: Iterable[FeedRow]) -> str:
    """Return rows as JSON, one object a line."""
    lines = (dict(zip(COLUMNS, _cells(each), strict=True)) for each in rows)
    return "".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in lines)


def _cells(row: FeedRow) -> tuple[object, ...]:
    return (
        row.sku,
        row.quantity_on_hand,
        row.quantity_backordered,
        row.quantity_on_order,
        _instant(row.next_available_seconds),
    )


def _instant(seconds: int | None) -> str | None:
    if seconds is None:
        return None
    instant = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return instant.isoformat().removesuffix("+00:00") + "Z"
