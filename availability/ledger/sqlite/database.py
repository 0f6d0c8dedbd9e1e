"""SQLite itself: opening a file, its connections, its transactions, its errors.

The only module that imports the driver. pysqlite3 and not the standard library's
module, because the SQLite an interpreter carries is often one with the WAL-reset
fault, which can corrupt a database (https://sqlite.org/wal.html#walresetbug).
"""

import contextlib
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2 as driver

from availability.errors import StoreTooOld, StoreUnavailable
from availability.ledger.one_writer import OneWriter
from availability.ledger.sqlite.file import check_file, create, prepare
from availability.ledger.sqlite.file_lock import FileLock
from availability.ledger.sqlite.session import Cursor

BUSY_SECONDS = 5.0
"""Longest wait for another program's lock on the file, or for a free reader."""

READERS = 4
"""Most connections that read at once."""

ConstraintError: type[Exception] = driver.IntegrityError
"""A constraint refused a row; the statement changed nothing."""


def check_engine(version: tuple[int, ...] = driver.sqlite_version_info) -> None:
    """Refuse an SQLite with the WAL-reset fault.

    Fixed in 3.51.3, and in 3.50.7 and 3.44.6 of the older lines.

    Raises
    ------
    StoreTooOld
        The engine has the fault.
    """
    line = version[:2]
    if (
        version >= (3, 51, 3)
        or (line == (3, 50) and version >= (3, 50, 7))
        or (line == (3, 44) and version >= (3, 44, 6))
    ):
        return
    raise StoreTooOld(
        f"SQLite {'.'.join(map(str, version))} can corrupt a database (the WAL-reset "
        "fault): 3.51.3 or later is needed, or 3.50.7, or 3.44.6"
    )


@contextlib.contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except driver.Error as error:
        raise StoreUnavailable(f"{what}: {error}") from error


@contextlib.contextmanager
def _cursor(connection: Any) -> Iterator[Cursor]:
    with _translated("the ledger could not be read"):
        cursor = connection.cursor()
        yield cursor
        # A statement left open would pin the write-ahead log.
        cursor.close()


@contextlib.contextmanager
def read_only(path: Path) -> Iterator[Cursor]:
    """Read one consistent state of a ledger's file, also while a server writes it.

    Raises
    ------
    StoreTooOld
        The engine has a known fault, or the file is another application's or of
        another version.
    StoreUnavailable
        There is no such file, or it can not be read.
    """
    check_engine()
    if not path.is_file():
        raise StoreUnavailable(f"{path} is not a file")
    with _translated(f"{path} could not be read"):
        target = f"{path.resolve().as_uri()}?mode=ro"
        connection = driver.connect(
            target, uri=True, timeout=BUSY_SECONDS, isolation_level=None
        )
        with contextlib.closing(connection):
            check_file(connection, str(path))
            connection.execute("BEGIN")
            yield connection.cursor()


class SqliteDatabase(OneWriter):
    """One writer connection and a few readers over a file, or over memory.

    Writes happen between `exclusive` and its end, one thread at a time. An
    in-memory database (``path`` None) has only the writer, which reads as well.

    Raises
    ------
    StoreTooOld
        The engine has a known fault, or the file is another application's or of
        another version.
    StoreUnavailable
        The folder does not exist, the file can not be opened, or another process
        has it open.
    """

    def __init__(self, path: Path | None) -> None:
        check_engine()
        # Resolved, so that a link to the file leads to the same lock.
        path = None if path is None else path.resolve()
        self._path = path
        self._name = str(path or ":memory:")
        super().__init__()
        self._readers: queue.LifoQueue[Any] = queue.LifoQueue()
        for _ in range(READERS):
            self._readers.put(None)  # opened when first needed
        if path is not None and not path.parent.is_dir():
            raise StoreUnavailable(f"{path.parent} is not an existing folder")
        self._lock = None if path is None else FileLock(Path(f"{path}.lock"))
        try:
            if path is not None:
                # Only now, while nothing has it open: to close a descriptor of a
                # file drops every lock that SQLite holds on it in this process.
                create(path)
            self._writer = self._open_writer()
        except BaseException:
            self._release_lock()
            raise

    def _open_writer(self) -> Any:
        connection = self._connect()
        try:
            with _translated(f"{self._name} could not be opened"):
                prepare(connection, self._name)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self) -> Any:
        target = ":memory:"
        if self._path is not None:
            # mode=rw: a file that is gone is an error, not a new, empty ledger.
            target = f"{self._path.as_uri()}?mode=rw"
        with _translated(f"{self._name} could not be opened"):
            return driver.connect(
                target,
                timeout=BUSY_SECONDS,
                isolation_level=None,  # transactions are ours to begin and end
                check_same_thread=False,  # one thread at a time is what locks ensure
                uri=True,
            )

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """Commit what the block does, or on any exception none of it.

        Only within `exclusive`. The transaction takes SQLite's write lock at once:
        one that began as a reader could be refused halfway.

        Raises
        ------
        StoreUnavailable
            The database failed; when it failed in the commit itself, whether the
            transaction happened is known only by reading again.
        """
        try:
            with _translated("the ledger could not be written"):
                cursor: Cursor = self._writer.cursor()
                cursor.execute("BEGIN IMMEDIATE")
                yield cursor
                cursor.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        try:
            # After some faults (disk full, I/O) SQLite has rolled back by itself.
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
        except driver.Error:
            # The connection is of no more use. A new one finds the file as it would
            # after a crash; in memory there is nothing else to turn to.
            if self._path is not None:
                with contextlib.suppress(driver.Error):
                    self._writer.close()
                self._writer = self._open_writer()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Cursor]:
        """Read what the last commit left, each statement one consistent state.

        Raises
        ------
        StoreUnavailable
            The database failed, no reader came free in `BUSY_SECONDS`, or the
            ledger is closed.
        """
        if self._path is None:
            with self.exclusive(), _cursor(self._writer) as cursor:
                yield cursor
            return
        try:
            reader = self._readers.get(timeout=BUSY_SECONDS)
        except queue.Empty:
            raise StoreUnavailable(f"all {READERS} readers are busy") from None
        sound = False
        try:
            self._check_open()
            if reader is None:
                reader = self._open_reader()
            with _cursor(reader) as cursor:
                yield cursor
            sound = True
        finally:
            if reader is not None and (self._closed or not sound):
                reader.close()
                reader = None
            self._readers.put(reader)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Cursor]:
        """Read what one commit left, all statements one consistent state.

        Raises
        ------
        StoreUnavailable
            As `reading`.
        """
        with self.reading() as cursor:
            cursor.execute("BEGIN")
            try:
                yield cursor
            finally:
                cursor.execute("ROLLBACK")

    def _open_reader(self) -> Any:
        reader = self._connect()
        with _translated("a reader could not be opened"):
            reader.execute("PRAGMA query_only = ON")
        return reader

    def close(self) -> None:
        """Close every connection and let another process in; twice is once."""
        with self._exclusive:
            if self._closed:
                return
            self._closed = True
            idle = []
            with contextlib.suppress(queue.Empty):
                while True:
                    idle.append(self._readers.get_nowait())
            for reader in idle:  # one in use closes itself when it is done
                if reader is not None:
                    reader.close()
                self._readers.put(None)
            try:
                with _translated("the ledger could not be closed"):
                    self._writer.close()
            finally:
                self._release_lock()

    def _release_lock(self) -> None:
        if self._lock is not None:
            self._lock.release()
