"""Checks the journal: no order was ever without the units it was promised.

Movements are written in the transaction that moves the balances, and all of one
transaction have its time. So what a plan gave up and what it took by a re-routing
can be compared, and what a location had promised at every moment.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby

from availability.ledger.open import open_ledger
from availability.ledger.protocol import MAX_PAGE, Ledger
from availability.reservations import (
    OPEN_STATES,
    Cause,
    PlanRef,
    RecordedMovement,
)
from benchmarks.faults.checker import records

_SWAPPED = (Cause.REROUTED, Cause.ALLOCATED, Cause.HELD, Cause.QUEUED)
"""Causes of what a re-routing moves: given up, and taken."""


@dataclass
class Holds:
    """What was found; ``breaches`` is what must be empty."""

    orders: int = 0
    live: int = 0
    """Orders of which something is open."""
    swaps: int = 0
    """Changes of a plan by a re-routing."""
    breaches: list[str] = field(default_factory=list)


def check_holds(database: str, open_units: Mapping[str, int]) -> Holds:
    """Judge a ledger that no server has; ``open_units`` by order, as was answered."""
    found = Holds()
    with closing(open_ledger(database)) as ledger:
        journal = list(_journal(ledger))
        found.breaches += _oversold(ledger, journal)
        found.breaches += _without_a_hold(journal, found)
        _judge_plans(ledger, journal, open_units, found)
        report = ledger.audit()
        found.breaches += [f"audit: {each}" for each in report.drifts]
    return found


def _journal(ledger: Ledger) -> Iterator[RecordedMovement]:
    after = 0
    while page := ledger.movements(after=after, limit=MAX_PAGE):
        after = page[-1].movement_key
        yield from page


def _oversold(ledger: Ledger, journal: list[RecordedMovement]) -> Iterator[str]:
    """Yield records that promised more than was there, at the end or before.

    Who moves a record holds its row when it draws the keys of its movements, so of
    one record they are in the order of commits.
    """
    of_record: dict[tuple[str, str], list[RecordedMovement]] = defaultdict(list)
    for each in journal:
        if each.movement.location_id:
            moved = each.movement
            of_record[moved.location_id, moved.sku].append(each)
    for at, movements in of_record.items():
        left = 0
        for seconds, together in groupby(movements, lambda each: each.at_seconds):
            for _, _, _, _, moved in together:
                left += moved.on_hand - moved.allocated - moved.held
            if left < 0:
                yield f"oversold: {at} lacks {-left} at {seconds}"
    for record in records(ledger):
        if not 0 <= record.allocated + record.held <= record.on_hand:
            yield f"oversold: {record}"


def _without_a_hold(journal: list[RecordedMovement], found: Holds) -> Iterator[str]:
    """Yield changes that took other than they gave up, line by line."""
    changes: dict[tuple[str, float], list[RecordedMovement]] = defaultdict(list)
    for each in journal:
        if each.plan_id:
            changes[each.plan_id, each.at_seconds].append(each)
    for (plan_id, seconds), movements in changes.items():
        causes = {each.movement.cause for each in movements}
        # Who is refused by a location may be left with less.
        if Cause.REROUTED not in causes or Cause.REJECTED in causes:
            continue
        found.swaps += 1
        balance: Counter[str] = Counter()
        for _, _, _, _, moved in movements:
            if moved.cause in _SWAPPED:
                balance[moved.line_id] += moved.allocated + moved.held + moved.queued
        if any(balance.values()):
            yield f"{plan_id} at {seconds}: {dict(balance)} between two holds"


def _judge_plans(
    ledger: Ledger,
    journal: list[RecordedMovement],
    open_units: Mapping[str, int],
    found: Holds,
) -> None:
    """Compare the plans with the answers; each order has one plan."""
    plans: dict[str, list[str]] = defaultdict(list)
    units: Counter[str] = Counter()
    for plan_id in dict.fromkeys(each.plan_id for each in journal if each.plan_id):
        record = ledger.reservation(PlanRef(plan_id))
        plans[record.order_id].append(plan_id)
        units[record.order_id] += record.open_units
        if bool(record.open_units) != (record.state in OPEN_STATES):
            found.breaches.append(f"{plan_id}: {record.state}, {record.open_units}")
    found.orders = len(plans)
    found.live = sum(count > 0 for count in units.values())
    for order_id, of_order in plans.items():
        if len(of_order) > 1:
            found.breaches.append(f"{order_id} has plans {of_order}")
    for order_id, wanted in open_units.items():
        if units[order_id] != wanted:
            found.breaches.append(f"{order_id}: {units[order_id]} open, not {wanted}")
