"""A fresh database of each kind, and the bare table one would write first on it."""

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import psycopg
from pysqlite3 import dbapi2 as sqlite

from benchmarks.faults.cluster import running_cluster

SECONDS = 30.0
"""Longest wait for a lock."""


class Floor(Protocol):
    """A table of stock, and orders as conditional UPDATEs on it."""

    def fill(self, rows: Sequence[tuple[str, str, int]]) -> None:
        """Set (sku, location, on_hand)."""

    def sell(self, lines: Sequence[tuple[str, str]]) -> None:
        """Take one unit for each (location, sku), all or none, durably."""

    def sold(self) -> int:
        """Return the units sold."""

    def close(self) -> None:
        """Close its connections."""


@contextlib.contextmanager
def database(kind: str, folder: Path) -> Iterator[tuple[str, Callable[[], Floor]]]:
    """Give a ledger's URL, and what makes an empty floor on the same database."""
    if kind == "sqlite":
        path = folder / f"{uuid.uuid4().hex}.db"
        yield f"sqlite:///{path}", lambda: SqliteFloor(path.with_suffix(".floor"))
        return
    with contextlib.ExitStack() as stack:
        url = kind
        if kind == "postgresql":
            url = stack.enter_context(running_cluster()).database("bench")
        yield url, lambda: PostgresFloor(url)


class SqliteFloor:
    """One connection a thread, WAL, synchronous=FULL, the writer's lock taken first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        db = self._db()
        db.execute("DROP TABLE IF EXISTS floor")
        db.execute(
            "CREATE TABLE floor (sku TEXT, location TEXT, on_hand INTEGER,"
            " sold INTEGER DEFAULT 0, PRIMARY KEY (sku, location)) WITHOUT ROWID"
        )

    def _db(self) -> Any:
        db = getattr(self._local, "db", None)
        if db is None:
            db = self._local.db = sqlite.connect(
                str(self._path), timeout=SECONDS, isolation_level=None
            )
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
        return db

    def fill(self, rows: Sequence[tuple[str, str, int]]) -> None:
        """See `Floor`."""
        db = self._db()
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO floor VALUES (?, ?, ?, 0)", rows)
        db.execute("COMMIT")

    def sell(self, lines: Sequence[tuple[str, str]]) -> None:
        """See `Floor`."""
        db = self._db()
        db.execute("BEGIN IMMEDIATE")
        for location, sku in lines:
            changed = db.execute(
                "UPDATE floor SET on_hand = on_hand - 1, sold = sold + 1"
                " WHERE sku = ? AND location = ? AND on_hand >= 1",
                (sku, location),
            ).rowcount
            assert changed == 1
        db.execute("COMMIT")

    def sold(self) -> int:
        """See `Floor`."""
        return int(self._db().execute("SELECT sum(sold) FROM floor").fetchone()[0])

    def close(self) -> None:
        """See `Floor`."""
        self._db().close()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)


class PostgresFloor:
    """One connection a thread, autocommit for one line, a transaction for more."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._local = threading.local()
        self._all: list[Any] = []
        db = self._db()
        db.execute("DROP TABLE IF EXISTS floor")
        db.execute(
            "CREATE TABLE floor (sku text, location text, on_hand bigint,"
            " sold bigint DEFAULT 0, PRIMARY KEY (sku, location))"
            " WITH (fillfactor = 50)"
        )

    def _db(self) -> Any:
        db = getattr(self._local, "db", None)
        if db is None:
            db = self._local.db = psycopg.connect(self._url, autocommit=True)
            self._all.append(db)
        return db

    def fill(self, rows: Sequence[tuple[str, str, int]]) -> None:
        """See `Floor`."""
        with self._db().cursor() as cursor:
            cursor.executemany("INSERT INTO floor VALUES (%s, %s, %s)", rows)

    def sell(self, lines: Sequence[tuple[str, str]]) -> None:
        """See `Floor`."""
        db = self._db()
        alone = contextlib.nullcontext() if len(lines) == 1 else db.transaction()
        with alone:
            # In one order everywhere: two orders must not wait for each other.
            for location, sku in sorted(lines, key=lambda each: (each[1], each[0])):
                changed = db.execute(
                    "UPDATE floor SET on_hand = on_hand - 1, sold = sold + 1"
                    " WHERE sku = %s AND location = %s AND on_hand >= 1",
                    (sku, location),
                ).rowcount
                assert changed == 1

    def sold(self) -> int:
        """See `Floor`."""
        return int(self._db().execute("SELECT sum(sold) FROM floor").fetchone()[0])

    def close(self) -> None:
        """See `Floor`."""
        for db in self._all:
            db.close()
