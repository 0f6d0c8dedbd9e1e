"""Builders for the ledger's tests, and what must hold whatever happened."""

from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from availability.errors import InvalidChange
from availability.ledger.protocol import Ledger
from availability.model import (
    MAX_SECONDS,
    ImportMode,
    ImportResult,
    Location,
    LocationId,
    Request,
    Sku,
    StockChange,
    StockRecord,
)
from availability.reservations import (
    Cancel,
    Cause,
    Claim,
    Command,
    Correction,
    Holding,
    PlanRef,
    Queued,
    RecordedMovement,
    Reservation,
    ReservationRecord,
    ReservationState,
    Ship,
    Swap,
    Withdrawal,
    Withdrawals,
)

Units = tuple[str, str, int]
"""(location, SKU, units)."""


class Clock:
    """A clock that stands until it is moved: seconds since the epoch."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def location(location_id: str, rank: int = 1, **fields: object) -> Location:
    return Location(LocationId(location_id), rank, **fields)  # type: ignore[arg-type]


def change(
    location_id: str,
    sku: str,
    on_hand: int,
    safety_stock: int | None = None,
    zone: str = "",
) -> StockChange:
    return StockChange(LocationId(location_id), Sku(sku), on_hand, safety_stock, zone)


def claim(location_id: str, sku: str, units: int, line: str = "") -> Claim:
    return Claim(LocationId(location_id), Sku(sku), line_id=line, quantity=units)


def queue(channel_id: str, sku: str, units: int, line: str = "") -> Queued:
    return Queued(channel_id, Sku(sku), line, units)


def reservation(
    name: str,
    *claims: Units | Claim,
    order: str | None = None,
    request: Request | None = None,
    hold: int | None = None,
    queued: Iterable[Queued] = (),
) -> Reservation:
    """Plan ``plan-name`` of order ``order-name``, with the reply ``reply-name``."""
    return Reservation(
        f"plan-{name}",
        order or f"order-{name}",
        tuple(sorted(x if isinstance(x, Claim) else claim(*x) for x in claims)),
        f"reply-{name}".encode(),
        request or Request(),
        hold,
        tuple(queued),
        f"body-{name}".encode(),
    )


def ref(name: str) -> PlanRef:
    return PlanRef(f"plan-{name}")


def record_of(ledger: Ledger, name: str) -> ReservationRecord:
    """What the ledger says of ``plan-name``."""
    return ledger.reservation(ref(name))


def do(
    ledger: Ledger, name: str, command: Command, asked: Request | None = None
) -> ReservationRecord:
    """Do it; the record its caller gets to encode is the one that can be read."""
    seen: list[ReservationRecord] = []

    def encode(record: ReservationRecord) -> bytes:
        seen.append(record)
        return f"{record.state} {record.revision}".encode()

    ledger.change(ref(name), command, asked or Request(), encode)

    assert seen == [record_of(ledger, name)]
    return seen[0]


def ship(*units: Units | Claim) -> Ship:
    return Ship(_claims(units))


def cancel(*units: Units | Claim, queued: Iterable[Queued] = ()) -> Cancel:
    return Cancel(_claims(units), tuple(queued))


def swap(
    revision: int,
    released: Iterable[Units | Claim] = (),
    claims: Iterable[Units | Claim] = (),
    *,
    cause: Cause = Cause.REROUTED,
    corrections: Iterable[Correction] = (),
    dequeued: Iterable[Queued] = (),
    queued: Iterable[Queued] = (),
) -> Swap:
    """A new plan, whose reply is ``reply swapped`` and whose body ``body swapped``."""
    return Swap(
        revision,
        _claims(released),
        cause,
        _claims(claims),
        b"reply swapped",
        b"body swapped",
        tuple(corrections),
        tuple(dequeued),
        tuple(queued),
    )


def _claims(units: Iterable[Units | Claim]) -> tuple[Claim, ...]:
    return tuple(each if isinstance(each, Claim) else claim(*each) for each in units)


def correction(
    location_id: str, sku: str, on_hand: int | None = 0, withdrawn: int = 0
) -> Correction:
    at = (LocationId(location_id), Sku(sku))
    return Correction(*at, on_hand, withdrawn, "broken" if withdrawn else "")


def holding(
    location_id: str,
    sku: str,
    units: int = 0,
    *,
    channel: str = "",
    line: str = "",
    **ended: int,
) -> Holding:
    """What is ``units`` open at a location, or, without one, on a channel."""
    return Holding(LocationId(location_id), channel, Sku(sku), line, units, **ended)


def withdrawal(
    name: str,
    location_id: str,
    sku: str,
    units: int,
    starts: float | None = None,
    ends: float | None = None,
) -> Withdrawal:
    at = (LocationId(location_id), Sku(sku))
    return Withdrawal(name, *at, units, f"reason {name}", starts, ends)


def withdrawals(location_id: str, sku: str, *all_of_them: Withdrawal) -> Withdrawals:
    return Withdrawals(LocationId(location_id), Sku(sku), all_of_them)


def state_of(ledger: Ledger, name: str) -> ReservationState:
    return record_of(ledger, name).state


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


def records(ledger: Ledger, limit: int = 7) -> Iterator[StockRecord]:
    """Every record, page by page."""
    page = ledger.stock(limit=limit)
    yield from page.records
    while page.after is not None:
        page = ledger.stock(after=page.after, limit=limit)
        yield from page.records


def balances(ledger: Ledger, location_id: str, sku: str) -> tuple[int, int, int, int]:
    """What a record holds: (on hand, allocated, held, withdrawn)."""
    found = record(ledger, location_id, sku)
    assert found is not None
    return found.on_hand, found.allocated, found.held, found.withdrawn


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


def counted(ledger: Ledger) -> dict[tuple[str, str], int]:
    """When each record was counted, in seconds, where it was: memory says the same."""
    fresh: dict[tuple[str, str], int] = {
        (each.location_id, each.sku): each.counted_seconds
        for each in records(ledger, limit=2_000)
        if each.counted_seconds
    }
    grid = ledger.grid()
    held = grid.read_counted(list(grid.rows.values()))
    assert held.dtype == np.int32
    found = {
        (grid.network.locations[column].location_id, sku): int(seconds)
        for sku, row in zip(grid.rows, held, strict=True)
        for column, seconds in enumerate(row)
        if seconds
    }
    assert found == {at: min(each, MAX_SECONDS) for at, each in fresh.items()}
    return fresh


def check_grid(ledger: Ledger) -> None:
    """The grid in memory is what the database holds."""
    grid, fresh = ledger.grid(), list(records(ledger, limit=2_000))
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
    counted(ledger)


def all_movements(ledger: Ledger) -> Iterator[RecordedMovement]:
    """Every movement, page by page."""
    page = ledger.movements(limit=2_000)
    while page:
        yield from page
        page = ledger.movements(after=page[-1].movement_key, limit=2_000)


def check_books(ledger: Ledger) -> None:
    """Balances are the sums of the movements, and memory is what the database has."""
    assert ledger.audit().drifts == ()
    check_grid(ledger)
    sums: dict[tuple[str, str], list[int]] = {}
    queued: dict[tuple[str, str], int] = {}
    for _, _, _, _, each in all_movements(ledger):
        if each.queued:
            line = (each.channel_id, each.sku)
            queued[line] = queued.get(line, 0) + each.queued
        promised = each.allocated, each.held
        moved = each.on_hand, *promised, each.withdrawn, each.safety_stock
        if any(moved):
            total = sums.setdefault((each.location_id, each.sku), [0] * len(moved))
            total[:] = [a + b for a, b in zip(total, moved, strict=True)]
    assert dict(ledger.queued()) == {at: units for at, units in queued.items() if units}
    for row in records(ledger, limit=2_000):
        found = [row.on_hand, row.allocated, row.held, row.withdrawn, row.safety_stock]
        assert found == sums.get((row.location_id, row.sku), [0] * 5), row
