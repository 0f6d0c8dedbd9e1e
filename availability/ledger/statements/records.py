"""Reading a plan's record, and what a request was answered: for every database."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, case, func, literal_column, or_, select
from sqlalchemy.sql.expression import ClauseElement

from availability.errors import PlanNotFound, RequestReused
from availability.ledger.logic.holdings import Sum, holdings_of
from availability.ledger.protocol import OpenPlans
from availability.ledger.statements.session import Row, Session
from availability.ledger.statements.tables import (
    BINDING,
    ENDED,
    OPEN,
    location,
    movement,
    plan,
    request,
)
from availability.ledger.times import milliseconds
from availability.model import Request
from availability.reservations import (
    Cause,
    PlanRef,
    ReservationRecord,
    ReservationState,
)

_COLUMNS = (
    plan.c.plan_key,
    plan.c.plan_id,
    plan.c.order_id,
    plan.c.state,
    plan.c.revision,
    plan.c.body,
    func.coalesce(plan.c.current_reply, plan.c.reply),
    plan.c.created_ms,
    plan.c.hold_seconds,
    plan.c.expires_ms,
    plan.c.work,
    plan.c.channel_id,
    plan.c.customer_id,
)
_BY_PLAN = select(*_COLUMNS).where(plan.c.plan_id == bindparam("plan_id"))
# An order's plan that binds it, and the last of those that do not any more: each
# condition is an index's.
_BINDING_OF = select(*_COLUMNS).where(plan.c.order_id == bindparam("order_id"), BINDING)
_ENDED_OF = (
    select(*_COLUMNS)
    .where(plan.c.order_id == bindparam("order_id"), ENDED)
    .order_by(plan.c.plan_key.desc())
    .limit(1)
)
_LOCKED = {each: each.with_for_update() for each in (_BY_PLAN, _BINDING_OF, _ENDED_OF)}

# A holding names the channel of what is queued; what has a location counts on the
# plan's, which is stored once.
_CHANNEL = case(
    (movement.c.location_key.is_(None), movement.c.channel_id),
    else_=literal_column("''"),
)
_SUMS_OF = select(
    func.coalesce(location.c.location_id, ""),
    _CHANNEL,
    movement.c.sku,
    movement.c.line_id,
    movement.c.cause,
    func.sum(movement.c.allocated + movement.c.held + movement.c.queued),
).select_from(
    movement.outerjoin(location, location.c.location_key == movement.c.location_key)
)
_GROUPS = (
    location.c.location_id,
    _CHANNEL,
    movement.c.sku,
    movement.c.line_id,
    movement.c.cause,
)
_SUMS = _SUMS_OF.where(movement.c.plan_key == bindparam("plan_key")).group_by(*_GROUPS)

_OPEN = (
    select(*_COLUMNS)
    .where(
        OPEN,
        plan.c.plan_key > bindparam("after"),
        plan.c.created_ms <= bindparam("until_ms"),
        or_(
            plan.c.state == bindparam("state"),
            plan.c.state == bindparam("other_state"),
        ),
    )
    .order_by(plan.c.plan_key)
    .limit(bindparam("most"))
)
# What `_SUMS` says of one plan, of all on a page.
_page = _OPEN.with_only_columns(plan.c.plan_key).subquery("page")
_PAGE_SUMS = (
    _SUMS_OF.add_columns(movement.c.plan_key)
    .join(_page, _page.c.plan_key == movement.c.plan_key)
    .group_by(movement.c.plan_key, *_GROUPS)
)
_FOREVER_MS = 2**62

_queued = (
    select(movement.c.plan_key)
    .where(
        movement.c.sku == bindparam("sku"),
        movement.c.location_key.is_(None),
        movement.c.plan_key.is_not(None),
    )
    .group_by(movement.c.plan_key)
    .having(func.sum(movement.c.queued) > 0)
    .subquery("queued")
)
_WAITING = (
    select(plan.c.plan_id)
    .select_from(plan.join(_queued, _queued.c.plan_key == plan.c.plan_key))
    .order_by(plan.c.plan_key)
    .limit(bindparam("most"))
)

_REPLY = select(func.coalesce(plan.c.current_reply, plan.c.reply)).where(
    plan.c.plan_id == bindparam("plan_id")
)

_REQUEST = (
    select(request.c.digest, func.coalesce(request.c.reply, plan.c.reply))
    .select_from(request.outerjoin(plan, plan.c.plan_key == request.c.plan_key))
    .where(request.c.request_id == bindparam("request_id"))
)

_STORE_REPLY: ClauseElement = request.insert().values(
    request_id=bindparam("new_request_id"),
    digest=bindparam("new_digest"),
    plan_key=bindparam("new_plan_key"),
    reply=bindparam("new_reply"),
    created_ms=bindparam("new_created_ms"),
)


class PlanRow(NamedTuple):
    """A record, its plan's key in the database, and for whom its units count."""

    plan_key: int
    record: ReservationRecord
    channel_id: str
    customer_id: str


def first_reply(session: Session, asked: Request) -> bytes | None:
    """Return the reply a request was given, None if it never came.

    Raises
    ------
    RequestReused
        It was given to another digest.
    """
    if not asked.request_id:
        return None
    rows = session.rows(_REQUEST, request_id=asked.request_id)
    if not rows:
        return None
    digest, reply = rows[0]
    if bytes(digest) != asked.digest:
        raise RequestReused(asked.request_id)
    return bytes(reply)


def store_reply(session: Session, asked: Request, now: float, reply: bytes) -> None:
    """Remember a request's own reply, if it has an id."""
    if asked.request_id:
        session.count(
            _STORE_REPLY,
            new_request_id=asked.request_id,
            new_digest=asked.digest,
            new_plan_key=None,
            new_reply=reply,
            new_created_ms=milliseconds(now),
        )


def plan_reply(session: Session, plan_id: str) -> bytes:
    """Return a plan as it is.

    Raises
    ------
    PlanNotFound
        No plan has this id.
    """
    rows = session.rows(_REPLY, plan_id=plan_id)
    if not rows:
        raise PlanNotFound(plan_id)
    return bytes(rows[0][0])


def find(session: Session, ref: PlanRef, *, lock: bool = False) -> PlanRow:
    """Return a plan's record, and keep others from changing it if asked to.

    Raises
    ------
    PlanNotFound
        There is no such plan.
    """
    rows: list[Row] = []
    statements = (_BY_PLAN,) if ref.plan_id else (_BINDING_OF, _ENDED_OF)
    values = {"plan_id": ref.plan_id} if ref.plan_id else {"order_id": ref.order_id}
    for statement in statements:
        rows = rows or session.rows(_LOCKED[statement] if lock else statement, **values)
    if not rows:
        raise PlanNotFound(ref.plan_id, ref.order_id)
    plan_key = rows[0][0]
    # After the lock: what another transaction changed until then is in it.
    sums = session.rows(_SUMS, plan_key=plan_key)
    *row, channel_id, customer_id = rows[0]
    return PlanRow(plan_key, _record(tuple(row), sums), channel_id, customer_id)


def open_plans(
    session: Session,
    states: Sequence[ReservationState],
    created_before_seconds: float | None,
    after: int,
    limit: int,
) -> OpenPlans:
    """Return a page of open plans; see `Ledger.open_plans`."""
    if not states:
        return OpenPlans((), None)
    until = created_before_seconds
    values: dict[str, object] = {
        "after": after,
        "until_ms": _FOREVER_MS if until is None else milliseconds(until),
        "state": states[0].value,
        "other_state": states[-1].value,
        "most": limit,
    }
    rows = session.rows(_OPEN, **values)
    sums: dict[int, list[Row]] = {}
    if rows:
        for *found, plan_key in session.rows(_PAGE_SUMS, **values):
            sums.setdefault(plan_key, []).append(tuple(found))
    # The last two columns say for whom the units count.
    records = tuple(_record(tuple(row[:-2]), sums.get(row[0], [])) for row in rows)
    return OpenPlans(records, rows[-1][0] if len(rows) == limit else None)


def waiting_plans(session: Session, sku: str, limit: int) -> list[PlanRef]:
    """Return the plans that wait for a SKU; see `Ledger.waiting_plans`."""
    rows = session.rows(_WAITING, sku=sku, most=limit)
    return [PlanRef(plan_id) for (plan_id,) in rows]


def _record(row: Row, sums: list[Row]) -> ReservationRecord:
    _, plan_id, order_id, state, revision, body, reply, created_ms, *held = row
    hold_seconds, expires_ms, work = held
    return ReservationRecord(
        plan_id=plan_id,
        order_id=order_id,
        state=ReservationState(state),
        revision=revision,
        body=bytes(body),
        reply=bytes(reply),
        created_seconds=created_ms / 1_000,
        hold_seconds=hold_seconds,
        expires_seconds=None if expires_ms is None else expires_ms / 1_000,
        work=work,
        holdings=holdings_of(
            Sum(at, channel_id, sku, line_id, Cause(cause), int(units))
            for at, channel_id, sku, line_id, cause, units in sums
        ),
    )
