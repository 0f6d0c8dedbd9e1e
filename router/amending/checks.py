"""Refuses a change that names lines or units that its plan does not have."""

from collections.abc import Iterable

from availability.errors import UnitsNotOpen, Violation
from availability.reservations import ReservationRecord
from router.errors import InvalidOrder
from router.line_units import LineUnits, held_units
from router.model import Order


def require_lines(
    order: Order, record: ReservationRecord, line_ids: Iterable[str], path: str
) -> None:
    """Refuse lines that the order never had.

    One that was cancelled whole is still known, by what it held.

    Raises
    ------
    InvalidOrder
        UNKNOWN_LINE, for each.
    """
    known = {line.line_id for line in order.lines}
    known.update(each.line_id for each in record.holdings)
    unknown = [
        Violation(f"{path}[{n}].line_id", "UNKNOWN_LINE", f"no line {each[:128]!r}")
        for n, each in enumerate(line_ids)
        if each not in known
    ]
    if unknown:
        raise InvalidOrder(unknown)


def require_open(
    order: Order, record: ReservationRecord, units: Iterable[LineUnits]
) -> None:
    """Refuse more than is open, in units of lines: the ledger would name components.

    Raises
    ------
    UnitsNotOpen
        Every line and location with fewer units open than named.
    """
    opened = held_units(order, record).open
    skus = {line.line_id: line.sku for line in order.lines}
    breaches = []
    for line_id, location_id, asked in units:
        left = opened.get((line_id, location_id), 0)
        if asked > left:
            sku = skus.get(line_id, "")
            breaches.append((location_id, sku, line_id, asked, left))
    if breaches:
        raise UnitsNotOpen(record.plan_id, breaches)
