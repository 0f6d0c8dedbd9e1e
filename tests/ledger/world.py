"""Builders for the ledger's tests, and what must hold whatever happened."""

from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from availability.errors import InvalidChange
from availability.ledger.protocol import Ledger
from availability.model import (
    Claim,
    ImportMode,
    ImportResult,
    Location,
    LocationId,
    Request,
    Reservation,
    Sku,
    StockChange,
    StockRecord,
)


class Clock:
    """A clock that stands until it is moved: seconds since the epoch."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def location(location_id: str, rank: int = 1, **fields: object) -> Location:
    return Location(LocationId(location_id), rank, **fields)  # type: ignore[arg-type]


def change(
    location_id: str, sku: str, on_hand: int, safety_stock: int | None = None
) -> StockChange:
    return StockChange(LocationId(location_id), Sku(sku), on_hand, safety_stock)


def reservation(
    name: str,
    *claims: tuple[str, str, int],
    order: str | None = None,
    request: Request | None = None,
) -> Reservation:
    """Plan ``plan-name`` of order ``order-name``, with the reply ``reply-name``."""
    return Reservation(
        f"plan-{name}",
        order or f"order-{name}",
        tuple(sorted(Claim(LocationId(at), Sku(sku), n) for at, sku, n in claims)),
        f"reply-{name}".encode(),
        request or Request(),
    )


def request(name: str, digest: bytes = b"body") -> Request:
    return Request(name, digest)


def stocked(ledger: Ledger, units: dict[tuple[str, str], int]) -> None:
    """Put the locations named, ranked in order of appearance, and their stock."""
    names = list(dict.fromkeys(at for at, _ in units))
    ledger.put_locations([location(name, n) for n, name in enumerate(names, start=1)])
    import_set(ledger, *(change(at, sku, n) for (at, sku), n in units.items()))


def import_set(ledger: Ledger, *changes: StockChange) -> ImportResult:
    return ImportResult.from_json(ledger.import_stock(ImportMode.SET, changes))


def violations(caught: pytest.ExceptionInfo[InvalidChange]) -> list[tuple[str, str]]:
    """Where each violation stands, and its reason."""
    return [(each.path, each.reason) for each in caught.value.violations]


def records(ledger: Ledger) -> Iterator[StockRecord]:
    """Every record, page by page."""
    page = ledger.stock(limit=7)
    yield from page.records
    while page.after is not None:
        page = ledger.stock(after=page.after, limit=7)
        yield from page.records


def record(ledger: Ledger, location_id: str, sku: str) -> StockRecord | None:
    page = ledger.stock([Sku(sku)], [LocationId(location_id)])
    return page.records[0] if page.records else None


def allocated(ledger: Ledger) -> dict[tuple[str, str], int]:
    """What is allocated, where anything is."""
    return {
        (each.location_id, each.sku): each.allocated
        for each in records(ledger)
        if each.allocated
    }


def claimed(reservations: Iterable[Reservation]) -> dict[tuple[str, str], int]:
    """What reservations claim together."""
    total: dict[tuple[str, str], int] = {}
    for each in reservations:
        for claim in each.claims:
            key = (claim.location_id, claim.sku)
            total[key] = total.get(key, 0) + claim.quantity
    return total


def available(ledger: Ledger, sku: str) -> dict[str, int]:
    """What the grid in memory says of one SKU."""
    grid = ledger.grid()
    units = grid.read([grid.rows[sku]])[0]
    return {
        each.location_id: int(units[column])
        for column, each in enumerate(grid.network.locations)
    }


def check_grid(ledger: Ledger) -> None:
    """The grid in memory is what the database holds."""
    grid, fresh = ledger.grid(), list(records(ledger))
    places = grid.network.locations
    assert grid.network is ledger.network()
    assert set(grid.rows) == {each.sku for each in fresh}
    assert grid.version == ledger.version() == ledger.stock(limit=1).version
    expected = {
        (each.location_id, each.sku): each.available
        for each in fresh
        if places[grid.network.index[each.location_id]].active and each.available
    }
    held = grid.read(list(grid.rows.values())) if grid.rows else np.empty((0, 0))
    found = {
        (places[column].location_id, sku): int(units)
        for sku, row in zip(grid.rows, held, strict=True)
        for column, units in enumerate(row)
        if units
    }
    assert found == expected
