"""What a PostgreSQL ledger answers without writing."""

import time
from collections.abc import Mapping, Sequence

from availability.ledger.postgres.database import PostgresDatabase
from availability.ledger.postgres.memory import Memory
from availability.ledger.postgres.reads import read_page
from availability.ledger.postgres.schema import prepare
from availability.ledger.postgres.session import LONG_SECONDS, WHOLE_TABLES
from availability.ledger.protocol import (
    MAX_OPEN_PLANS,
    CapacityLeft,
    OpenPlans,
    StockCursor,
    StockPage,
    ZoneRecord,
    check_limit,
    check_open_plans,
)
from availability.ledger.statements.audit import audit
from availability.ledger.statements.movements import read_movements
from availability.ledger.statements.records import (
    find,
    first_reply,
    open_plans,
    plan_reply,
    waiting_plans,
)
from availability.ledger.statements.withdrawals import list_withdrawals
from availability.ledger.statements.zones import list_zones
from availability.ledger.times import utc_day
from availability.model import Clock, LocationId, Network, Request, Sku
from availability.positions import Changes, Mark, Positions
from availability.reservations import (
    OPEN_STATES,
    AuditReport,
    PlanRef,
    RecordedMovement,
    ReservationRecord,
    ReservationState,
    Withdrawal,
)
from availability.setup.setup import Setup
from availability.stock_grid import StockGrid


class PostgresViews:
    """The reading half of `availability.ledger.postgres.ledger.PostgresLedger`."""

    def __init__(self, url: str, clock: Clock | None) -> None:
        self._clock = clock
        self._database = PostgresDatabase(url)
        try:
            prepare(self._database)
            self._memory = Memory(self._database, clock or time.time)
        except BaseException:
            self._database.close()
            raise

    def replay(self, request: Request) -> bytes | None:
        """Return the reply a request was given; see `Ledger.replay`."""
        if not request.request_id:
            return None
        with self._database.session() as session:
            return first_reply(session, request)

    def plan(self, plan_id: str) -> bytes:
        """Return a plan as it is; see `Ledger.plan`."""
        with self._database.session() as session:
            return plan_reply(session, plan_id)

    def reservation(self, plan: PlanRef) -> ReservationRecord:
        """Return a plan and what became of it; see `Ledger.reservation`."""
        with self._database.snapshot() as session:
            return find(session, plan).record

    def open_plans(
        self,
        states: Sequence[ReservationState] = OPEN_STATES,
        created_before_seconds: float | None = None,
        after: int = 0,
        limit: int = MAX_OPEN_PLANS,
    ) -> OpenPlans:
        """Return plans that may still change; see `Ledger.open_plans`."""
        check_open_plans(limit, states)
        with self._database.snapshot() as session:
            return open_plans(session, states, created_before_seconds, after, limit)

    def waiting_plans(self, sku: Sku, limit: int = MAX_OPEN_PLANS) -> list[PlanRef]:
        """Return plans that wait for a SKU; see `Ledger.waiting_plans`."""
        check_open_plans(limit)
        with self._database.session() as session:
            return waiting_plans(session, sku, limit)

    def withdrawals(
        self, skus: Sequence[Sku] = (), location_ids: Sequence[LocationId] = ()
    ) -> list[Withdrawal]:
        """Return withdrawals; see `Ledger.withdrawals`."""
        with self._database.session() as session:
            return list_withdrawals(session, skus, location_ids)

    def zones(
        self, skus: Sequence[Sku], location_ids: Sequence[LocationId] = ()
    ) -> list[ZoneRecord]:
        """Return counts zone by zone; see `Ledger.zones`."""
        places = self._memory.current().places
        with self._database.session() as session:
            return list_zones(session, places, skus, location_ids)

    def movements(
        self,
        sku: Sku | None = None,
        location_id: LocationId | None = None,
        plan_id: str | None = None,
        after: int = 0,
        limit: int = 1_000,
    ) -> list[RecordedMovement]:
        """Return movements; see `Ledger.movements`."""
        check_limit(limit)
        with self._database.session() as session:
            return read_movements(session, sku, location_id, plan_id, after, limit)

    def queued(self) -> Mapping[tuple[str, Sku], int]:
        """Return the units queued; see `Ledger.queued`."""
        return self._memory.current().queued

    def setup(self) -> Setup:
        """Return what is said about selling; see `Ledger.setup`."""
        return self._memory.current().setup

    def positions(self, skus: Sequence[Sku]) -> Positions:
        """Return what is known of some SKUs; see `Ledger.positions`."""
        return self._memory.current().positions(skus)

    def changes(self, mark: Mark | None = None) -> Changes:
        """Return which SKUs changed since a mark; see `Ledger.changes`."""
        return self._memory.current().changes(mark)

    def _audited(self) -> AuditReport:
        with self._database.snapshot(LONG_SECONDS) as session:
            session.run(WHOLE_TABLES)
            return audit(session)

    def refresh(self) -> None:
        """Bring memory in step with other processes; see `Ledger.refresh`."""
        with self._database.exclusive():
            self._memory.catch_up()

    def network(self) -> Network:
        """Return all locations; see `Ledger.network`."""
        return self._memory.current().places.network

    def grid(self) -> StockGrid:
        """Return the available units in memory; see `Ledger.grid`."""
        return self._memory.current().grid

    def capacity_left(self) -> Mapping[LocationId, CapacityLeft]:
        """Return what is left of today's capacities; see `Ledger.capacity_left`."""
        mirror = self._memory.current()
        if not mirror.places.capped:
            return {}
        return mirror.capacity_left(utc_day((self._clock or time.time)()))

    def version(self) -> int:
        """Return the ledger's version, as this process knows it; see `Ledger`."""
        return self._memory.current().version

    def stock(
        self,
        skus: Sequence[Sku] = (),
        location_ids: Sequence[LocationId] = (),
        after: StockCursor | None = None,
        limit: int = 1_000,
    ) -> StockPage:
        """Return a page of records; see `Ledger.stock`."""
        check_limit(limit)
        mirror = self._memory.current()
        with self._database.session() as session:
            return read_page(session, mirror, skus, location_ids, after, limit)

    def close(self) -> None:
        """Close the database; see `Ledger.close`."""
        self._database.close()
