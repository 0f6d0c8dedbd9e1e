"""The ledger's store in PostgreSQL: many processes, one database.

A process keeps what it needs to plan in memory, in step with its own commits and, by
`PostgresStore.news`, with those of others; nothing is promised from memory.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from availability.errors import AvailabilityError
from availability.ledger.memory.mirror import Mirror
from availability.ledger.postgres.database import PostgresDatabase
from availability.ledger.postgres.memory import Memory
from availability.ledger.postgres.reads import lock_promised, read_page
from availability.ledger.postgres.reserve import (
    RESERVE,
    GroupOutcome,
    arguments,
    check_text,
)
from availability.ledger.postgres.schema import prepare
from availability.ledger.postgres.session import (
    LONG_SECONDS,
    STATEMENT_SECONDS,
    WHOLE_TABLES,
    PostgresSession,
)
from availability.ledger.postgres.stock_import import import_stock
from availability.ledger.statements.locations import body_of
from availability.ledger.statements.reads import PageQuery
from availability.ledger.statements.session import Row, Session
from availability.ledger.statements.setup_items import Promised
from availability.ledger.store import Extent, Version, Write
from availability.ledger.times import milliseconds
from availability.model import Clock, Location
from availability.positions import counted_by
from availability.reservations import Reservation
from availability.setup.setup import Setup, SetupChange

_DRAW = "SELECT nextval('ledger_version'), pg_current_xact_id()::text::bigint"
"""Draws the version of a commit that changes something; also its transaction."""
_NOW = "SELECT extract(epoch FROM clock_timestamp())::float8"
# No balance may move between the audit and its repair.
_LOCK_BALANCES = """
LOCK TABLE plan, stock, zone_stock, queue, withdrawal, location_load, plan_load,
  movement IN EXCLUSIVE MODE
"""

ResultT = TypeVar("ResultT")


class PostgresStore:
    """See `availability.ledger.store.Store`.

    A process has one write under way at a time: a hot row is waited for by as many
    connections as there are processes. ``clock`` None takes the time from the
    database, so that all processes agree on it.

    Raises
    ------
    StoreTooOld
        The server is too old, or the tables are another application's or another
        version's.
    StoreUnavailable
        The driver is not installed, or there is no such database.
    """

    shared = True
    """Other servers, and other programs, may write the same tables."""

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self._clock = clock
        self.seconds = clock or time.time
        self.database = PostgresDatabase(url)
        self.exclusive = self.database.exclusive
        try:
            prepare(self.database)
            self.memory = Memory(self.database, self.seconds)
        except BaseException:
            self.database.close()
            raise

    def mirror(self) -> Mirror:
        """Return the memory; see `Store.mirror`."""
        return self.memory.current()

    def load(self, version: int) -> None:
        """Fill the memory again; see `Store.load`."""
        self.memory.reload(version)

    def news(self) -> None:
        """Take over what other processes committed; see `Store.news`."""
        with self.exclusive():
            self.memory.catch_up()

    def reading(self) -> contextlib.AbstractContextManager[Session]:
        """Run statements that each see what is committed; see `Store.reading`."""
        return self.database.session()

    @contextlib.contextmanager
    def snapshot(self, extent: Extent = Extent.FEW) -> Iterator[Session]:
        """Run statements that see one state; see `Store.snapshot`."""
        with self.database.snapshot(_seconds(extent)) as session:
            if extent is Extent.ALL:
                session.run(WHOLE_TABLES)
            yield session

    def write(
        self, work: Callable[[Write], ResultT], extent: Extent = Extent.FEW
    ) -> ResultT:
        """Commit what ``work`` does; see `Store.write`."""
        memory = self.memory

        def whole(session: PostgresSession) -> tuple[ResultT, Write, list[int]]:
            xids: list[int] = []

            def draw() -> Version:
                ((drawn, xid),) = session.run(_DRAW)
                xids.append(xid)
                tx.version = version = Version(drawn, memory.next_version(drawn))
                return version

            if self._clock is None:
                ((now,),) = session.run(_NOW)
            else:
                now = self._clock()
            if extent is Extent.ALL:
                session.run(_LOCK_BALANCES)
                session.run(WHOLE_TABLES)
            tx = Write(session, memory.mirror, now, draw)
            return work(tx), tx, xids

        with self.exclusive(), memory.in_step():
            result, tx, xids = self.database.transaction(whole, _seconds(extent))
            for xid in xids:
                memory.committed(xid)
            if tx.follow is not None:
                memory.follow(tx.follow)
        return result

    def announce_repair(self, session: Session) -> None:
        """Make other processes load again; see `Store.announce_repair`."""
        session.run("INSERT INTO news DEFAULT VALUES")

    import_stock = staticmethod(import_stock)

    def check_reservation(self, reservation: Reservation) -> None:
        """Refuse what is no text of PostgreSQL's; see `Store.check_reservation`."""
        check_text(reservation)

    def check_location(self, location: Location) -> None:
        """Refuse NUL, which is in no text or JSON of PostgreSQL's."""
        if "\0" in location.location_id or "\\u0000" in body_of(location):
            name = location.location_id
            raise ValueError(f"a location must not contain NUL: {name!r}")

    def reserve_group(
        self, reservations: Sequence[Reservation]
    ) -> list[bytes | AvailabilityError]:
        """Reserve in one round trip; see `Store.reserve_group`."""
        memory = self.memory
        with memory.in_step() as mirror:
            now = None if self._clock is None else milliseconds(self._clock())
            values = arguments(reservations, now)
            (row,) = self.database.once(RESERVE, values)
            done = GroupOutcome.of(reservations, values, row)
            version = mirror.version
            if done.version is not None and done.xid is not None:
                version = memory.next_version(done.version)
                memory.committed(done.xid)

            def follow() -> None:
                fits = mirror.set(
                    done.units,
                    version,
                    network=done.network,
                    added=[counted_by(each) for each in done.stored],
                    more_loads=done.loads,
                )
                # After a guard's refusal the next attempt needs what this one lacked.
                if done.guarded or not fits:
                    memory.catch_up()

            memory.follow(follow)
        return done.outcomes

    def promised(self, write: Write, change: SetupChange, setup: Setup) -> Promised:
        """Return what was promised, and lock it; see `Store.promised`."""
        return lock_promised(write.session, change, setup)

    def page(self, query: PageQuery) -> tuple[int, Iterable[Row]]:
        """Return a page of stock; see `Store.page`."""
        with self.reading() as session:
            # The version is from before: the page is at least as new.
            return query.version, read_page(session, query)

    def close(self) -> None:
        """Close the database; see `Store.close`."""
        self.database.close()


def _seconds(extent: Extent) -> int:
    """Return the longest a statement may take."""
    return STATEMENT_SECONDS if extent is Extent.FEW else LONG_SECONDS
