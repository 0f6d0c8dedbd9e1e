"""Units out of sale for a dated reason, replaced as a set for each stock record."""

from collections.abc import Iterator, Sequence

from sqlalchemy import bindparam, or_, select

from availability.errors import MAX_VIOLATIONS, InvalidChange, Violation
from availability.ledger.memory.deltas import UnitsDelta
from availability.ledger.memory.places import Places
from availability.ledger.protocol import MAX_PAGE, MAX_WITHDRAWALS
from availability.ledger.statements.balances import count_moves, write_withdrawal
from availability.ledger.statements.session import Row, Session
from availability.ledger.statements.sweeps import FORGET, withdraw
from availability.ledger.statements.tables import STRING, location, stock, withdrawal
from availability.model import LocationId, Sku
from availability.reservations import Withdrawal, Withdrawals

_LOCK = (
    select(stock.c.sku)
    .where(
        stock.c.sku == bindparam("sku"),
        stock.c.location_key == bindparam("location_key"),
    )
    .with_for_update()
)

_KNOWN = select(
    withdrawal.c.withdrawal_id, withdrawal.c.quantity, withdrawal.c.active
).where(
    withdrawal.c.sku == bindparam("sku"),
    withdrawal.c.location_key == bindparam("location_key"),
)

_SKU = bindparam("sku", type_=STRING)
_LOCATION = bindparam("location_id", type_=STRING)
_LIST = (
    select(
        withdrawal.c.withdrawal_id,
        location.c.location_id,
        withdrawal.c.sku,
        withdrawal.c.quantity,
        withdrawal.c.reason,
        withdrawal.c.starts_ms,
        withdrawal.c.ends_ms,
    )
    .select_from(
        withdrawal.join(location, location.c.location_key == withdrawal.c.location_key)
    )
    .where(
        or_(_SKU.is_(None), withdrawal.c.sku == _SKU),
        or_(_LOCATION.is_(None), location.c.location_id == _LOCATION),
    )
    .order_by(withdrawal.c.sku, location.c.location_id, withdrawal.c.withdrawal_id)
    .limit(MAX_PAGE)
)


def check_withdrawals(changes: Sequence[Withdrawals], places: Places) -> None:
    """Refuse what can be refused without the stock.

    Raises
    ------
    InvalidChange
        Every violation, up to `MAX_VIOLATIONS`; see `Ledger.put_withdrawals`.
    """
    found: list[Violation] = []
    seen: set[tuple[str, str]] = set()
    for n, each in enumerate(changes):
        path = f"changes[{n}]"
        if each.location_id not in places.keys:
            message = f"no location {each.location_id!r}"
            found.append(Violation(f"{path}.location_id", "UNKNOWN_LOCATION", message))
        if (each.location_id, each.sku) in seen:
            message = f"{each.sku!r} at {each.location_id!r} came before"
            found.append(Violation(f"{path}.sku", "DUPLICATE", message))
        seen.add((each.location_id, each.sku))
        found += _breaches(path, each)
    if found:
        raise InvalidChange(found[:MAX_VIOLATIONS])


def _breaches(path: str, change: Withdrawals) -> Iterator[Violation]:
    path = f"{path}.withdrawals"
    if len(change.withdrawals) > MAX_WITHDRAWALS:
        yield Violation(path, "TOO_MANY", f"must be at most {MAX_WITHDRAWALS}")
    seen: set[str] = set()
    for m, each in enumerate(change.withdrawals):
        if each.withdrawal_id in seen:
            message = f"{each.withdrawal_id!r} came before"
            yield Violation(f"{path}[{m}].withdrawal_id", "DUPLICATE", message)
        seen.add(each.withdrawal_id)
        starts, ends = each.starts_seconds, each.ends_seconds
        if starts is not None and ends is not None and ends <= starts:
            message = "must be after start_time"
            yield Violation(f"{path}[{m}].end_time", "INVALID_PERIOD", message)


def put_withdrawals(
    session: Session, changes: Sequence[Withdrawals], places: Places, now: float
) -> list[UnitsDelta]:
    """Replace the withdrawals of each record within the caller's transaction.

    Raises
    ------
    InvalidChange
        UNKNOWN_SKU: there is no such stock record.
    """
    # In the order in which every writer takes its row locks.
    ordered = sorted((each.sku, each.location_id, n) for n, each in enumerate(changes))
    keys = places.keys
    unknown = [
        (n, Violation(f"changes[{n}].sku", "UNKNOWN_SKU", f"no record of {sku!r}"))
        for sku, at, n in ordered
        if not session.rows(_LOCK, sku=sku, location_key=keys[at])
    ]
    if unknown:
        unknown.sort(key=lambda each: each[0])
        raise InvalidChange([each for _, each in unknown[:MAX_VIOLATIONS]])
    left: list[UnitsDelta] = []
    for sku, at, n in ordered:
        left += _replace(session, sku, keys[at], changes[n].withdrawals, now)
    count_moves(session, (each.sku for each in left))
    return left


def _replace(
    session: Session, sku: str, key: int, wanted: Sequence[Withdrawal], now: float
) -> Iterator[UnitsDelta]:
    before: dict[str, int] = {}
    after: dict[str, int] = {}
    for withdrawal_id, units, active in session.rows(_KNOWN, sku=sku, location_key=key):
        at = {"at_sku": sku, "at_location_key": key, "at_withdrawal_id": withdrawal_id}
        session.count(FORGET, **at)
        before[withdrawal_id] = units * active
    for each in wanted:
        starts, ends = each.starts_seconds, each.ends_seconds
        if ends is not None and ends <= now:
            continue
        active = starts is None or starts <= now
        write_withdrawal(session, each, key, active=active)
        after[each.withdrawal_id] = each.quantity * active
    for withdrawal_id in sorted(before.keys() | after.keys()):
        units = after.get(withdrawal_id, 0) - before.get(withdrawal_id, 0)
        if units:
            yield withdraw(session, sku, key, withdrawal_id, units, now)


def list_withdrawals(
    session: Session, skus: Sequence[Sku], location_ids: Sequence[LocationId]
) -> list[Withdrawal]:
    """Return withdrawals that have not ended; see `Ledger.withdrawals`."""
    found: list[Withdrawal] = []
    # One of the two narrows the search, the other what it found.
    asked: list[tuple[str | None, str | None]] = [(sku, None) for sku in set(skus)]
    if not skus:
        asked = [(None, each) for each in set(location_ids)] or [(None, None)]
    for sku, location_id in asked:
        found += [
            _withdrawal(row)
            for row in session.rows(_LIST, sku=sku, location_id=location_id)
            if not location_ids or row[1] in location_ids
        ]
    found.sort(key=lambda each: (each.sku, each.location_id, each.withdrawal_id))
    return found[:MAX_PAGE]


def _withdrawal(row: Row) -> Withdrawal:
    withdrawal_id, location_id, sku, quantity, reason, starts_ms, ends_ms = row
    return Withdrawal(
        withdrawal_id,
        LocationId(location_id),
        Sku(sku),
        quantity,
        reason,
        None if starts_ms is None else starts_ms / 1_000,
        None if ends_ms is None else ends_ms / 1_000,
    )
