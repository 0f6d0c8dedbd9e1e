"""What a command does to a reservation: pure, the same for every database.

The ledger reads the record and the stock rows it touches, locks them, asks
`decide`, and writes the decision. Nothing here reads a clock or a database.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from availability.errors import (
    PlanChanged,
    ReservationResolved,
    UnitsNotOpen,
)
from availability.ledger.logic.decision import (
    Decision,
    DecisionDraft,
    Key,
    State,
    StockBalances,
)
from availability.model import Sku
from availability.reservations import (
    OPEN_STATES,
    Cancel,
    Cause,
    Claim,
    Command,
    Expire,
    Extend,
    Holding,
    Movement,
    Place,
    Queued,
    ReservationRecord,
    Ship,
    Swap,
)

MAX_HOLD_SECONDS = 30 * 86_400
"""Longest a cart is held in all, whatever work is open for it."""


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
    draft = DecisionDraft(record, dict(rows))
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
        _require(record, OPEN_STATES, "rerouted")
        _require_revision(record, command.revision)
        _require_open(record, command.released, command.dequeued)
        drafts.append((DecisionDraft(record, shared), command))
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


def _ship(draft: DecisionDraft, record: ReservationRecord, command: Ship) -> None:
    units = _all_claims(record) if command.units is None else command.units
    _require_open(record, units, ())
    for claim in units:
        draft.ship(claim)


def _cancel(draft: DecisionDraft, record: ReservationRecord, command: Cancel) -> None:
    units, queued = command.units, command.queued
    if units is None:
        units, queued = _all_claims(record), _all_queued(record)
    _require_open(record, units, queued)
    draft.release(Cause.CANCELLED, units, queued)


def _place(draft: DecisionDraft, record: ReservationRecord) -> None:
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


def _expired(draft: DecisionDraft, record: ReservationRecord, now: float) -> Decision:
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
