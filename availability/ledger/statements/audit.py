"""The audit: every balance against the movements that made it.

The movements are the truth: they are only ever added to, in the transaction that
moves the balance. What differs was changed by other hands, or by a fault of ours.
Magento ships such an auditor too (``inventory:reservation:list-inconsistencies``):
users want one before they need one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from availability.ledger.protocol import MAX_DRIFTS
from availability.ledger.statements.audit_statements import (
    BALANCES,
    COUNTS,
    LOADS,
    MISSING,
    QUEUES,
    READ_STOCK,
    SET_LOAD,
    SET_QUEUE,
    SET_STOCK,
    SET_ZONE,
    STOCK,
    STRAYS,
    WITHDRAWN,
    ZONES,
)
from availability.ledger.statements.balances import (
    counts_of,
    move_counts,
    write_movement,
)
from availability.ledger.statements.session import Row, Session
from availability.reservations import (
    AuditReport,
    Cause,
    Drift,
    Movement,
)


@dataclass(slots=True)
class _Drifts:
    """Balances that drifted together, and what would put them right."""

    drifts: list[Drift] = field(default_factory=list)
    repair: Callable[[Session, float], None] | None = None


def audit(session: Session) -> AuditReport:
    """Compare, within one consistent state; change nothing."""
    found = chain.from_iterable(check(session) for check in _CHECKS)
    return _report(session, [each.drifts for each in found])


def repair_drifts(session: Session, now: float) -> AuditReport:
    """Compare and put right, within the caller's transaction.

    Checks follow one another, so that each sees what the one before put right.
    """
    drifts: list[list[Drift]] = []
    for check in _CHECKS:
        for found in list(check(session)):
            if found.repair is None:
                drifts.append(found.drifts)
                continue
            found.repair(session, now)
            drifts.append([each._replace(repaired=True) for each in found.drifts])
    return _report(session, drifts)


def _report(session: Session, drifts: list[list[Drift]]) -> AuditReport:
    flat = list(chain.from_iterable(drifts))
    counts = [session.rows(each)[0][0] for each in COUNTS]
    return AuditReport(tuple(flat[:MAX_DRIFTS]), len(flat), *counts)


def _check_stock(session: Session) -> Iterator[_Drifts]:
    for sku, key, at, *numbers in session.rows(STOCK):
        now, sums = numbers[:5], [int(each) for each in numbers[5:]]
        drifts = _drifts(f"stock {at}/{sku}", BALANCES, now, sums)
        right = dict(zip(BALANCES, sums, strict=True))
        # No balance may be below zero, as this sum is: a person has to count.
        repair = None if min(sums) < 0 else _set_stock(sku, key, right)
        yield _Drifts(drifts, repair)


def _check_missing(session: Session) -> Iterator[_Drifts]:
    for sku, at, *sums in session.rows(MISSING):
        expected = [int(each) for each in sums]
        yield _Drifts(_drifts(f"stock {at}/{sku}", BALANCES, [0] * 5, expected))


def _set_stock(
    sku: str, key: int, right: dict[str, int]
) -> Callable[[Session, float], None]:
    promised = right["allocated"] + right["held"]
    values = {f"new_{name}": units for name, units in right.items()}
    values["new_deficit"] = max(0, promised - right["on_hand"])

    def repair(session: Session, _now: float) -> None:
        session.count(SET_STOCK, at_sku=sku, at_location_key=key, **values)

    return repair


def _check_zones(session: Session) -> Iterator[_Drifts]:
    for sku, key, at, zone_id, units, right in session.rows(ZONES):
        at_zone = {"at_sku": sku, "at_location_key": key, "at_zone_id": zone_id}
        drifts = _drifts(f"zone {at}/{zone_id}/{sku}", ["on_hand"], [units], [right])
        yield _Drifts(drifts, _set(SET_ZONE, new_on_hand=int(right), **at_zone))


def _check_queues(session: Session) -> Iterator[_Drifts]:
    for channel_id, sku, *numbers in session.rows(QUEUES):
        right = [int(each) for each in numbers[2:]]
        names = ("queued", "promised")
        drifts = _drifts(f"queue {channel_id}/{sku}", names, numbers[:2], right)
        at = {"at_channel_id": channel_id, "at_sku": sku}
        new = {f"new_{name}": each for name, each in zip(names, right, strict=True)}
        # A sum below zero no queue may be, as with stock.
        yield _Drifts(drifts, None if right[0] < 0 else _set(SET_QUEUE, **at, **new))


def _check_loads(session: Session) -> Iterator[_Drifts]:
    for day, key, at, *numbers in session.rows(LOADS):
        right = [int(each) for each in numbers[2:]]
        names = ("orders", "units")
        drifts = _drifts(f"load {at} on day {day}", names, numbers[:2], right)
        new = {f"new_{name}": each for name, each in zip(names, right, strict=True)}
        yield _Drifts(drifts, _set(SET_LOAD, at_day=day, at_location_key=key, **new))


def _set(statement: Any, **values: object) -> Callable[[Session, float], None]:
    def repair(session: Session, _now: float) -> None:
        session.count(statement, **values)

    return repair


def _check_withdrawn(session: Session) -> Iterator[_Drifts]:
    for sku, key, at, units, right in session.rows(WITHDRAWN):
        subject = f"withdrawals {at}/{sku}"
        drifts = _drifts(subject, ["withdrawn"], [units], [int(right)])
        moved = Movement(Cause.REPAIRED, sku, at, withdrawn=int(right) - units)
        yield _Drifts(drifts, _move(moved, key, None))


def _check_strays(session: Session) -> Iterator[_Drifts]:
    for row in session.rows(STRAYS):
        plan_key, plan_id, line_id, key, channel_id, sku, *sums = row
        units = [int(each) for each in sums]
        subject = f"plan {plan_id} line {line_id} {sku}"
        names = ("allocated", "held", "queued")
        drifts = _drifts(subject, names, units, [0, 0, 0])
        allocated, held, queued = (-each for each in units)
        moved = Movement(
            Cause.REPAIRED,
            sku,
            channel_id=channel_id,
            line_id=line_id,
            allocated=allocated,
            held=held,
            queued=queued,
        )
        yield _Drifts(drifts, _move(moved, key, plan_key))


def _move(
    moved: Movement, key: int | None, plan_key: int | None
) -> Callable[[Session, float], None]:
    def repair(session: Session, now: float) -> None:
        write_movement(session, moved, key, now, plan_key=plan_key)
        for (channel_id, of_sku), count in counts_of([moved]).items():
            move_counts(session, channel_id, of_sku, count)
        if key is None:
            return
        at_stock = {"at_sku": moved.sku, "at_location_key": key}
        row: Row = session.rows(READ_STOCK, **at_stock)[0]
        right = {
            name: int(units) + getattr(moved, name)
            for name, units in zip(BALANCES, row, strict=True)
        }
        _set_stock(moved.sku, key, right)(session, now)

    return repair


def _drifts(
    subject: str,
    names: Sequence[str],
    found: Sequence[Any],
    expected: Sequence[Any],
) -> list[Drift]:
    return [
        Drift(subject, name, int(is_), int(ought))
        for name, is_, ought in zip(names, found, expected, strict=True)
        if is_ != ought
    ]


_CHECKS: tuple[Callable[[Session], Iterator[_Drifts]], ...] = (
    _check_stock,
    _check_missing,
    _check_zones,
    _check_queues,
    _check_loads,
    _check_withdrawn,
    _check_strays,
)
