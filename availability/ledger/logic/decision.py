"""A decision on a reservation, and the rows it changes while it is made: pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from availability.errors import StockConflict
from availability.ledger.logic.holdings import final_state, holdings_of, sums_of
from availability.model import LocationId, Sku
from availability.reservations import (
    Cause,
    Claim,
    Correction,
    Movement,
    Queued,
    ReservationRecord,
    ReservationState,
    Swap,
    Withdrawal,
)

State = ReservationState
Key = tuple[LocationId, Sku]


@dataclass(frozen=True, slots=True)
class StockBalances:
    """A stock record's balances, and the counts of its available zones."""

    on_hand: int = 0
    allocated: int = 0
    held: int = 0
    withdrawn: int = 0
    safety_stock: int = 0
    zones: tuple[tuple[str, int], ...] = ()
    sells: bool = True
    """Whether the location is active."""

    @property
    def left(self) -> int:
        """Units that may be promised; below zero when counts fell."""
        promised = self.allocated + self.held
        return self.on_hand - promised - self.withdrawn - self.safety_stock


class Decision(NamedTuple):
    """What is to be written: the record as it will be, and all that moves.

    ``taken`` and ``freed`` are units by location, for the day's capacities.
    """

    record: ReservationRecord
    movements: tuple[Movement, ...] = ()
    rows: Mapping[Key, StockBalances] = {}
    withdrawals: tuple[Withdrawal, ...] = ()
    taken: Mapping[LocationId, int] = {}
    freed: Mapping[LocationId, int] = {}


class DecisionDraft:
    """A decision in the making, on rows that it changes."""

    def __init__(
        self, record: ReservationRecord, rows: dict[Key, StockBalances]
    ) -> None:
        self._record = record
        self._holds = record.state is State.HELD
        self._rows = rows
        self._movements: list[Movement] = []
        self._withdrawals: list[Withdrawal] = []
        self._taken: dict[LocationId, int] = defaultdict(int)
        self._freed: dict[LocationId, int] = defaultdict(int)

    def move(self, movement: Movement) -> None:
        """Apply a movement to its row."""
        if movement.location_id:
            key = (LocationId(movement.location_id), Sku(movement.sku))
            row = self._rows[key]
            self._rows[key] = replace(
                row,
                on_hand=row.on_hand + movement.on_hand,
                allocated=row.allocated + movement.allocated,
                held=row.held + movement.held,
                withdrawn=row.withdrawn + movement.withdrawn,
            )
        self._movements.append(movement)

    def promise(self, cause: Cause, claim: Claim, units: int) -> None:
        """Move what is promised at a place, up or down."""
        at = (claim.sku, claim.location_id)
        held = units if self._holds else 0
        allocated = 0 if self._holds else units
        line = claim.line_id
        self.move(Movement(cause, *at, line_id=line, allocated=allocated, held=held))

    def queue(self, cause: Cause, each: Queued, units: int) -> None:
        """Move what is queued on a channel."""
        self.move(
            Movement(
                cause,
                each.sku,
                channel_id=each.channel_id,
                line_id=each.line_id,
                queued=units,
            )
        )

    def release(
        self, cause: Cause, units: Iterable[Claim], queued: Iterable[Queued]
    ) -> None:
        """Give up units; no location is credited with what it never shipped."""
        for claim in units:
            self.promise(cause, claim, -claim.quantity)
            self._freed[claim.location_id] += claim.quantity
        for each in queued:
            self.queue(cause, each, -each.quantity)

    def ship(self, claim: Claim) -> None:
        """Take units off what is on hand, and off what is promised."""
        key = (claim.location_id, claim.sku)
        at = (claim.sku, claim.location_id)
        missing = claim.quantity - self._rows[key].on_hand
        if missing > 0:
            # They left, so they were there, whatever was counted.
            self.move(Movement(Cause.FOUND, *at, on_hand=missing))
        for zone_id, units in self._from_zones(key, claim.quantity):
            self.move(
                Movement(
                    Cause.SHIPPED,
                    *at,
                    zone_id=zone_id,
                    line_id=claim.line_id,
                    on_hand=-units,
                    zone_units=-units if zone_id else 0,
                    allocated=-units,
                )
            )

    def _from_zones(self, key: Key, units: int) -> list[tuple[str, int]]:
        """Take units first from where no zone is, then zone by zone."""
        row = self._rows[key]
        if not row.zones:
            return [("", units)] if units else []
        unzoned = row.on_hand - sum(count for _, count in row.zones)
        taken, zones = [], []
        left = units
        for zone_id, count in (("", unzoned), *row.zones):
            part = min(left, max(0, count))
            if part:
                taken.append((zone_id, part))
                left -= part
            if zone_id:
                zones.append((zone_id, count - part))
        self._rows[key] = replace(row, zones=tuple(zones))
        return taken

    def give_up(self, swap: Swap) -> None:
        """Release and correct: before anything is claimed."""
        wanted: tuple[Claim | Correction, ...] = (*swap.corrections, *swap.claims)
        for record in wanted:
            if (record.location_id, record.sku) not in self._rows:
                raise StockConflict(f"no {record.sku!r} at {record.location_id!r}")
        self.release(swap.cause, swap.released, ())
        self.release(Cause.REROUTED, (), swap.dequeued)
        for n, correction in enumerate(swap.corrections):
            self._correct(correction, n)

    def take(self, swap: Swap) -> None:
        """Claim and queue."""
        for claim in swap.claims:
            self.promise(self._promising, claim, claim.quantity)
            self._taken[claim.location_id] += claim.quantity
        for line in swap.queued:
            self.queue(Cause.QUEUED, line, line.quantity)

    def require_room(self, swap: Swap) -> None:
        """Refuse claims of what is not there, once all was claimed."""
        for key in {(each.location_id, each.sku) for each in swap.claims}:
            row = self._rows[key]
            if row.left < 0 or not row.sells:
                raise StockConflict(f"{key[0]!r} can not ship {key[1]!r} any more")

    @property
    def _promising(self) -> Cause:
        return Cause.HELD if self._holds else Cause.ALLOCATED

    def _correct(self, each: Correction, n: int) -> None:
        key = (each.location_id, each.sku)
        at = (each.sku, each.location_id)
        row = self._rows[key]
        wanted = row.on_hand if each.on_hand is None else each.on_hand
        for zone_id, units in self._from_zones(key, min(wanted, row.on_hand)):
            self.move(
                Movement(
                    Cause.CORRECTED,
                    *at,
                    zone_id=zone_id,
                    on_hand=-units,
                    zone_units=-units if zone_id else 0,
                )
            )
        if each.withdrawn:
            withdrawal_id = f"{self._record.plan_id}.{self._record.revision}.{n}"
            self.move(Movement(Cause.WITHDRAWN, *at, withdrawn=each.withdrawn))
            self._withdrawals.append(
                Withdrawal(withdrawal_id, *key, each.withdrawn, each.reason)
            )

    def end(
        self,
        state: State | None = None,
        body: bytes | None = None,
        reply: bytes | None = None,
        keys: Iterable[Key] | None = None,
    ) -> Decision:
        """Return the decision; the state follows from what is open still.

        ``keys`` are those of its rows among the ones it shares; None: all.
        """
        record = self._record
        holdings = holdings_of(sums_of(self._movements), record.holdings)
        state = state or record.state
        if not any(each.open for each in holdings):
            state = final_state(holdings)
        placed = state is not State.HELD
        record = replace(
            record,
            state=state,
            revision=record.revision + 1,
            body=record.body if body is None else body,
            reply=record.reply if reply is None else reply,
            holdings=holdings,
            hold_seconds=None if placed else record.hold_seconds,
            expires_seconds=None if placed else record.expires_seconds,
            work="" if placed else record.work,
        )
        rows = self._rows
        if keys is not None:
            rows = {key: rows[key] for key in keys if key in rows}
        return Decision(
            record,
            tuple(self._movements),
            rows,
            tuple(self._withdrawals),
            dict(self._taken),
            dict(self._freed),
        )
