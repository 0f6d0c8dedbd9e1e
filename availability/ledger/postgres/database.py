"""PostgreSQL itself: its connections, its transactions, its errors.

The only module that imports the driver, which is an extra: without it this module
can be imported, and opening a database says what to install.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from availability.errors import StoreTooOld, StoreUnavailable
from availability.ledger.one_writer import OneWriter
from availability.ledger.postgres.retry import repeated
from availability.ledger.postgres.session import (
    DEFAULTS,
    OLDEST_SERVER,
    SETTINGS,
    STATEMENT_SECONDS,
    PostgresSession,
)
from availability.ledger.statements.session import Row

try:
    import psycopg
    import psycopg_pool
    from psycopg.conninfo import conninfo_to_dict
    from psycopg.types.numeric import Int8BinaryDumper, Int8Dumper
except ImportError as error:  # pragma: no cover - tests run with the extra
    _MISSING: str | None = str(error)
else:
    _MISSING = None

MAX_CONNECTIONS = 8
"""Most connections of one ledger: one writes at a time, the others read."""

WAIT_SECONDS = 5.0
"""Longest wait for a free connection, or for a new one."""

RECONNECT_SECONDS = 10.0
"""How long the pool goes on by itself after a server is gone; then every call that
needs a connection makes it try again."""

TRUSTED_SECONDS = 1.0
"""A connection used so lately is handed out without asking whether it lives."""

ResultT = TypeVar("ResultT")


@contextlib.contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except psycopg.DataError as error:
        if error.sqlstate is None:  # the driver's: a value that no text can hold
            raise ValueError(_said(error)) from error
        raise StoreUnavailable(f"{what}: {_said(error)}") from error
    except (psycopg.Error, psycopg_pool.PoolTimeout) as error:
        raise StoreUnavailable(f"{what}: {_said(error)}") from error


def _said(error: Exception) -> str:
    """Return what went wrong in one line."""
    return " ".join(str(error).split()) or type(error).__name__


class PostgresDatabase(OneWriter):
    """A bounded pool of connections, and this process's lock for writes.

    Writes happen between `exclusive` and its end, one thread at a time, so that
    memory can follow each commit in step; other processes write when they like.

    Raises
    ------
    StoreTooOld
        The server is too old, or is not in UTF-8.
    StoreUnavailable
        psycopg is not installed, or there is no such database.
    """

    def __init__(self, url: str) -> None:
        if _MISSING is not None:
            raise StoreUnavailable(
                f"no driver for {_scheme(url)}: install repartir[postgres] ({_MISSING})"
            )
        super().__init__()
        self._suspected = 0.0
        with _translated("the ledger's address is not understood"):
            self._parameters = {**DEFAULTS, **conninfo_to_dict(url)}
        self._check_server()
        # Its threads start here and end with `close`.
        self._pool: Any = psycopg_pool.ConnectionPool(
            kwargs={**self._parameters, "autocommit": True},
            min_size=1,
            max_size=MAX_CONNECTIONS,
            timeout=WAIT_SECONDS,
            reconnect_timeout=RECONNECT_SECONDS,
            configure=_configure,
            check=self._check,
            open=True,
        )

    def _check_server(self) -> None:
        with self._connection() as connection:
            version = connection.info.server_version
            if version < OLDEST_SERVER:
                raise StoreTooOld(
                    f"PostgreSQL {version // 10_000} is too old: "
                    f"{OLDEST_SERVER // 10_000} or later is needed"
                )
            encoding = connection.info.parameter_status("server_encoding")
            if encoding != "UTF8":
                raise StoreTooOld(f"the database is in {encoding}, UTF8 is needed")

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Any]:
        """Connect without the pool, which would hide why connecting fails."""
        with _translated("the database could not be opened"):
            connection = psycopg.connect(**self._parameters)
        with contextlib.closing(connection):
            yield connection

    @contextlib.contextmanager
    def schema(self) -> Iterator[Connection]:
        """Give SQLAlchemy's connection, in a transaction, to create tables with."""
        with self._connection() as raw:
            engine = create_engine(
                "postgresql+psycopg://", creator=lambda: raw, poolclass=NullPool
            )
            try:
                with engine.begin() as connection:
                    yield connection
            except SQLAlchemyError as error:
                what = f"the tables could not be created: {_said(error)}"
                raise StoreUnavailable(what) from error

    def _check(self, connection: Any) -> None:
        """Let the pool drop a connection that died while it was idle."""
        used = getattr(connection, "used_at", 0.0)
        if used <= self._suspected or time.monotonic() - used > TRUSTED_SECONDS:
            psycopg_pool.ConnectionPool.check_connection(connection)

    @contextlib.contextmanager
    def session(self, what: str = "read") -> Iterator[PostgresSession]:
        """Run statements that each commit by themselves.

        Raises
        ------
        StoreUnavailable
            The database failed, no connection came free in `WAIT_SECONDS`, or the
            ledger is closed. Whether the statement that failed has committed is
            known only by reading again.
        """
        self._check_open()
        with _translated(f"the ledger could not be {what}"):
            connection = self._pool.getconn()
            try:
                with connection.cursor() as cursor:
                    yield PostgresSession(cursor)
                connection.used_at = time.monotonic()
            finally:
                if connection.broken:
                    # The others most likely went the same way.
                    self._suspected = time.monotonic()
                self._pool.putconn(connection)

    def once(self, sql: str, values: Mapping[str, object]) -> list[Row]:
        """Run one statement that commits by itself, again if it met a deadlock.

        Raises
        ------
        StoreUnavailable
            As `session`.
        """

        def work() -> list[Row]:
            with self.session("written") as session:
                return session.run(sql, values)

        return repeated(work, _AGAIN)

    def transaction(
        self,
        work: Callable[[PostgresSession], ResultT],
        seconds: int = STATEMENT_SECONDS,
    ) -> ResultT:
        """Commit what ``work`` does, or on any exception none of it.

        It is done again from the start (see `repeated`) when it met a deadlock, or
        one that stored the same request: it must have no effect but in the database.

        Raises
        ------
        StoreUnavailable
            As `session`.
        """

        def whole() -> ResultT:
            with self.session("written") as session, _block(session, "BEGIN"):
                if seconds != STATEMENT_SECONDS:
                    session.run(f"SET LOCAL statement_timeout = '{seconds}s'")
                return work(session)

        return repeated(whole, _AGAIN)

    @contextlib.contextmanager
    def snapshot(self, seconds: int = STATEMENT_SECONDS) -> Iterator[PostgresSession]:
        """Read what one moment's commits left, all statements one consistent state.

        Raises
        ------
        StoreUnavailable
            As `session`.
        """
        begin = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
        with self.session() as session, _block(session, begin):
            if seconds != STATEMENT_SECONDS:
                session.run(f"SET LOCAL statement_timeout = '{seconds}s'")
            yield session

    def close(self) -> None:
        """Close every connection; twice is once."""
        with self._exclusive:
            if not self._closed:
                self._closed = True
                self._pool.close()


@contextlib.contextmanager
def _block(session: PostgresSession, begin: str) -> Iterator[None]:
    session.run(begin)
    try:
        yield
    except BaseException:
        # A connection that can not even do this is dropped by the pool.
        with contextlib.suppress(psycopg.Error):
            session.run("ROLLBACK")
        raise
    session.run("COMMIT")


def _configure(connection: Any) -> None:
    wanted = dict(SETTINGS)
    ((stronger,),) = connection.execute(
        "SELECT current_setting('synchronous_commit') IN ('remote_write', "
        "'remote_apply')"
    )
    if stronger:
        del wanted["synchronous_commit"]
    for name, value in wanted.items():
        connection.execute("SELECT set_config(%s, %s, false)", (name, value))
    # One width for all integers: else each mix of widths is a statement of its own.
    connection.adapters.register_dumper(int, Int8Dumper)
    connection.adapters.register_dumper(int, Int8BinaryDumper)


_AGAIN: tuple[type[Exception], ...] = (
    ()
    if _MISSING is not None
    else (
        psycopg.errors.SerializationFailure,
        psycopg.errors.DeadlockDetected,
        # Another process stored the same request: begun again, its reply is found.
        psycopg.errors.UniqueViolation,
    )
)


def _scheme(url: str) -> str:
    """Return the part of an address that cannot hold a password."""
    return url.partition("://")[0] + "://"
