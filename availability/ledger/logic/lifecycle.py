"""What a command makes of a reservation: pure, the same for every database.

The ledger reads the record and the stock rows it touches, locks them, asks
`decide`, and writes what it is told. Nothing here reads a clock or a database.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from availability.errors import (
    PlanChanged,
    ReservationResolved,
    StockConflict,
    UnitsNotOpen,
)
from availability.ledger.logic.holdings import final_state, holdings_of, sums_of
from availability.model import LocationId, Sku
from availability.reservations import (
    OPEN_STATES,
    Cancel,
    Cause,
    Claim,
    Command,
    Correction,
    Expire,
    Extend,
    Holding,
    Movement,
    Place,
    Queued,
    ReservationRecord,
    ReservationState,
    Ship,
    Swap,
    Withdrawal,
)

MAX_HOLD_SECONDS = 30 * 86_400
"""Longest a cart is held in all, whatever work is open for it."""

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


def touched(record: ReservationRecord, command: Command) -> list[Key]:
    """Return the stock rows a command may change, in the order of their locks."""
    keys: set[Key] = set()
    match command:
        case Ship(units=tuple() as units) | Cancel(units=tuple() as units):
            keys.update((each.location_id, each.sku) for each in units)
        case Swap():
            claims = (*command.released, *command.claims)
            keys.update((each.location_id, each.sku) for each in claims)
            keys.update((each.location_id, each.sku) for each in command.corrections)
        case Extend():
            pass
        case Place() | Ship() | Cancel() | Expire():
            keys.update((each.location_id, Sku(each.sku)) for each in _placed(record))
    return sorted(keys, key=lambda key: (key[1], key[0]))


def decide(
    record: ReservationRecord,
    command: Command,
    rows: Mapping[Key, StockBalances],
    now: float,
) -> Decision:
    """Return what a command does, ``now`` in seconds since the epoch.

    ``rows`` has the row of every key of `touched`, as it is, but those that no
    record has.

    Raises
    ------
    ReservationResolved
        The state does not allow the command.
    UnitsNotOpen
        More units are named than are open.
    PlanChanged
        The command was made from another revision.
    StockConflict
        A Swap claims units that are not there.
    """
    draft = _Draft(record, dict(rows))
    match command:
        case Place():
            _require(record, (State.HELD,), "placed")
            _place(draft, record)
            return draft.end(State.PLACED)
        case Extend():
            _require(record, (State.HELD,), "extended")
            return _extended(record, command, now)
        case Ship():
            _require(record, (State.PLACED,), "shipped")
            _ship(draft, record, command)
            return draft.end()
        case Cancel():
            _require(record, OPEN_STATES, "cancelled")
            _require_revision(record, command.revision)
            _cancel(draft, record, command)
            return draft.end(body=command.body)
        case Expire():
            return _expired(draft, record, now)
        case Swap():
            return decide_together([(record, command)], rows)[0]


def decide_together(
    swaps: Sequence[tuple[ReservationRecord, Swap]], rows: Mapping[Key, StockBalances]
) -> list[Decision]:
    """Return what several swaps do at once, each of another plan.

    All that is released is released before anything is claimed, so that units can
    change hands between them. ``rows`` is as in `decide`, for all of them.

    Raises
    ------
    ReservationResolved, UnitsNotOpen, PlanChanged, StockConflict
        One of them can not be done, so none is.
    """
    shared = dict(rows)
    drafts = []
    for record, command in swaps:
        _require(record, OPEN_STATES, "routed anew")
        _require_revision(record, command.revision)
        _require_open(record, command.released, command.dequeued)
        drafts.append((_Draft(record, shared), command))
    for draft, command in drafts:
        draft.give_up(command)
    for draft, command in drafts:
        draft.take(command)
    for draft, command in drafts:
        draft.require_room(command)
    return [
        draft.end(body=command.body, reply=command.reply, keys=touched(record, command))
        for (draft, command), (record, _) in zip(drafts, swaps, strict=True)
    ]


class _Draft:
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


def _ship(draft: _Draft, record: ReservationRecord, command: Ship) -> None:
    units = _all_claims(record) if command.units is None else command.units
    _require_open(record, units, ())
    for claim in units:
        draft.ship(claim)


def _cancel(draft: _Draft, record: ReservationRecord, command: Cancel) -> None:
    units, queued = command.units, command.queued
    if units is None:
        units, queued = _all_claims(record), _all_queued(record)
    _require_open(record, units, queued)
    draft.release(Cause.CANCELLED, units, queued)


def _place(draft: _Draft, record: ReservationRecord) -> None:
    for each in _placed(record):
        at = (each.sku, each.location_id)
        draft.move(
            Movement(
                Cause.PLACED,
                *at,
                line_id=each.line_id,
                held=-each.open,
                allocated=each.open,
            )
        )


def _extended(record: ReservationRecord, command: Extend, now: float) -> Decision:
    most = record.created_seconds + MAX_HOLD_SECONDS
    return Decision(
        replace(
            record,
            revision=record.revision + 1,
            hold_seconds=command.hold_seconds,
            expires_seconds=min(now + command.hold_seconds, most),
            work=command.work,
        )
    )


def _expired(draft: _Draft, record: ReservationRecord, now: float) -> Decision:
    due = record.expires_seconds
    if record.state is not State.HELD or due is None or due > now:
        return Decision(record)
    most = record.created_seconds + MAX_HOLD_SECONDS
    if record.work and now < most and record.hold_seconds is not None:
        until = min(now + record.hold_seconds, most)
        return Decision(
            replace(record, revision=record.revision + 1, expires_seconds=until)
        )
    draft.release(Cause.EXPIRED, _all_claims(record), _all_queued(record))
    return draft.end(State.EXPIRED)


def _require(record: ReservationRecord, states: tuple[State, ...], wanted: str) -> None:
    if record.state not in states:
        raise ReservationResolved(record.plan_id, record.state.value, wanted)


def _require_revision(record: ReservationRecord, revision: int | None) -> None:
    if revision is not None and revision != record.revision:
        raise PlanChanged(record.plan_id)


def _require_open(
    record: ReservationRecord, units: Iterable[Claim], queued: Iterable[Queued]
) -> None:
    asked: dict[tuple[str, str, str, str], int] = defaultdict(int)
    for claim in units:
        asked[claim.location_id, "", claim.sku, claim.line_id] += claim.quantity
    for each in queued:
        asked["", each.channel_id, each.sku, each.line_id] += each.quantity
    left: dict[tuple[str, str, str, str], int] = {
        (each.location_id, each.channel_id, each.sku, each.line_id): each.open
        for each in record.holdings
    }
    breaches = [
        (key[0], key[2], key[3], wanted, left.get(key, 0))
        for key, wanted in asked.items()
        if wanted > left.get(key, 0)
    ]
    if breaches:
        raise UnitsNotOpen(record.plan_id, breaches)


def _placed(record: ReservationRecord) -> list[Holding]:
    """Return what is open at locations."""
    return [each for each in record.holdings if each.open and each.location_id]


def _all_claims(record: ReservationRecord) -> tuple[Claim, ...]:
    return tuple(
        Claim(each.location_id, Sku(each.sku), line_id=each.line_id, quantity=each.open)
        for each in _placed(record)
    )


def _all_queued(record: ReservationRecord) -> tuple[Queued, ...]:
    return tuple(
        Queued(each.channel_id, Sku(each.sku), each.line_id, each.open)
        for each in record.holdings
        if each.open and not each.location_id
    )
