"""The ledger's store in SQLite: embedded, durable, for one process."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from availability.errors import AvailabilityError, StoreUnavailable
from availability.ledger.memory.mirror import Mirror
from availability.ledger.sqlite.database import SqliteDatabase
from availability.ledger.sqlite.reads import load_mirror, read_page, read_version
from availability.ledger.sqlite.reserve import reserve_group
from availability.ledger.sqlite.session import Cursor, SqliteSession
from availability.ledger.sqlite.stock_import import import_stock
from availability.ledger.statements.reads import PageQuery
from availability.ledger.statements.session import Row, Session
from availability.ledger.statements.setup_items import Promised
from availability.ledger.store import Extent, Version, Write
from availability.ledger.times import milliseconds, utc_day
from availability.model import Clock, Location
from availability.reservations import Reservation
from availability.setup.setup import Setup, SetupChange

ResultT = TypeVar("ResultT")


class SqliteStore:
    """See `availability.ledger.store.Store`; ``path`` None is a database in memory.

    Raises
    ------
    StoreTooOld
        The engine has a known fault, or the file is another application's or of
        another version.
    StoreUnavailable
        The file cannot be opened, or another process has it open.
    """

    shared = False
    """The file is locked for this process."""

    def __init__(self, path: Path | None, clock: Clock) -> None:
        self.seconds = clock
        self.database = SqliteDatabase(path)
        self.exclusive = self.database.exclusive
        self._doubtful = False
        self._doubts_version = False
        try:
            with self.exclusive():
                self._mirror = self.read_mirror()
        except BaseException:
            self.database.close()
            raise

    def read_mirror(self) -> Mirror:
        """Read from the database all that memory holds."""
        with self.database.reading() as db:
            return load_mirror(db, utc_day(self.seconds()))

    def mirror(self) -> Mirror:
        """Return the memory; see `Store.mirror`."""
        if self._doubtful:
            with self.exclusive():
                self._resolve_doubt()
        return self._mirror

    def _resolve_doubt(self) -> None:
        """Load memory again if the failed commit did happen."""
        if self._doubtful:
            with self.database.reading() as db:
                version = read_version(db)
            if self._doubts_version or version != self._mirror.version:
                self._mirror = self.read_mirror()
            self._doubtful = self._doubts_version = False

    def load(self, _version: int) -> None:
        """Fill the memory again; see `Store.load`."""
        self._mirror = self.read_mirror()

    def news(self) -> None:
        """Do nothing: no other process writes this file."""

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """Run statements that each see what is committed; see `Store.reading`."""
        with self.database.reading() as db:
            yield SqliteSession(db)

    @contextlib.contextmanager
    def snapshot(self, _extent: Extent = Extent.FEW) -> Iterator[Session]:
        """Run statements that see one state; see `Store.snapshot`."""
        with self.database.snapshot() as db:
            yield SqliteSession(db)

    def write(
        self, work: Callable[[Write], ResultT], _extent: Extent = Extent.FEW
    ) -> ResultT:
        """Commit what ``work`` does; see `Store.write`."""
        with self.exclusive(), self.writing() as (_, tx):
            return work(tx)

    @contextlib.contextmanager
    def writing(self) -> Iterator[tuple[Cursor, Write]]:
        """Run a transaction, then let memory follow it; within `exclusive`.

        When the block fails otherwise than by a refusal, memory is in doubt: a
        commit that failed may have happened, and an interruption may fall between a
        commit and what follows it.
        """
        if self._doubtful:
            self._resolve_doubt()
        unversioned = False
        try:
            with self.database.transaction() as db:
                tx = self._begun(db)
                yield db, tx
                # If memory changes and the version does not, the version cannot
                # show later whether the commit happened.
                unversioned = tx.follow is not None and tx.version is None
            if tx.follow is not None:
                tx.follow()
        except BaseException as error:
            refused = isinstance(error, AvailabilityError)
            self._doubtful = not refused or isinstance(error, StoreUnavailable)
            self._doubts_version = self._doubtful and unversioned
            raise

    def _begun(self, db: Cursor) -> Write:
        mirror = self._mirror

        def draw() -> Version:
            number = mirror.version + 1
            db.execute("UPDATE ledger SET version = ?", (number,))
            tx.version = version = Version(number, number)
            return version

        tx = Write(SqliteSession(db), mirror, self.seconds(), draw)
        return tx

    def announce_repair(self, _session: Session) -> None:
        """Do nothing: no other process reads this file."""

    import_stock = staticmethod(import_stock)

    def check_reservation(self, reservation: Reservation) -> None:
        """Refuse what is no text; see `Store.check_reservation`."""
        request_id = reservation.request.request_id
        for text in (reservation.plan_id, reservation.order_id, request_id):
            text.encode()
        for claim in reservation.claims:
            claim.line_id.encode()
        for queued in reservation.queued:
            (queued.channel_id + queued.sku + queued.line_id).encode()
        (reservation.channel_id + reservation.customer_id).encode()

    def check_location(self, _location: Location) -> None:
        """Refuse nothing: the driver does."""

    def reserve_group(
        self, reservations: Sequence[Reservation]
    ) -> list[bytes | AvailabilityError]:
        """Reserve in one transaction; see `Store.reserve_group`."""
        with self.writing() as (db, tx):
            day, now_ms = utc_day(tx.now), milliseconds(tx.now)
            group = reserve_group(db, tx, reservations, day, now_ms)
            if group.promises:
                version = tx.draw().known
                tx.follow = partial(tx.mirror.take, group.stored, day, version)
        return group.outcomes

    def promised(self, write: Write, _change: SetupChange, _setup: Setup) -> Promised:
        """Return what memory has, which no one else changes; see `Store.promised`."""
        return write.mirror.promised

    def page(self, query: PageQuery) -> tuple[int, Iterable[Row]]:
        """Return a page of stock; see `Store.page`."""
        with self.reading() as session:
            return read_page(session, query)

    def close(self) -> None:
        """Close the database; see `Store.close`."""
        self.database.close()
