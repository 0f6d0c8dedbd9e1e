"""A real PostgreSQL: started once for each worker, emptied for every test."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from availability.ledger.postgres.store import PostgresStore
from availability.ledger.protocol import Ledger
from availability.ledger.statements.tables import metadata
from availability.ledger.stored_ledger import StoredLedger
from benchmarks.faults.cluster import running_cluster
from tests.availability.ledger.world import Clock

Opener = Callable[..., StoredLedger]

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")


def store_of(ledger: Ledger) -> PostgresStore:
    assert isinstance(ledger, StoredLedger)
    assert isinstance(ledger.store, PostgresStore)
    return ledger.store


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Start a server for this worker alone; return its address."""
    # Tests kill processes, not machines.
    with running_cluster(fsync=False) as cluster:
        yield cluster.url("postgres")


def with_database(address: str, name: str, **parameters: str) -> str:
    """Return the address of another database of the server, with parameters."""
    before, _, query = address.partition("?")
    given = [query] if query else []
    given += [f"{key}={quote(value)}" for key, value in parameters.items()]
    return f"{before.rpartition('/')[0]}/{name}?{'&'.join(given)}"


@pytest.fixture(scope="session")
def postgres_database(postgres_server: str) -> str:
    """Create this worker's own database, without tables; return its address."""
    with psycopg.connect(postgres_server, autocommit=True) as db:
        db.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(WORKER)))
    return with_database(postgres_server, WORKER)


@pytest.fixture
def postgres_url(postgres_database: str) -> str:
    """Return the address of an empty ledger."""
    empty(postgres_database)
    return postgres_database


def empty(address: str) -> None:
    """Empty a ledger's tables, if it has any: as new, and far cheaper."""
    with psycopg.connect(address) as db:
        if db.execute("SELECT to_regclass('ledger')").fetchone() != (None,):
            names = ", ".join([*metadata.tables, "news"])
            db.execute(f"TRUNCATE {names} RESTART IDENTITY")
            db.execute("INSERT INTO ledger VALUES (1, 0, 0, 0)")
            db.execute("ALTER SEQUENCE ledger_version RESTART")


@pytest.fixture
def fresh_url(postgres_database: str, tmp_path: Path) -> Iterator[str]:
    """Return the address of a schema without tables, dropped at the end."""
    schema = sql.Identifier(tmp_path.name)
    with psycopg.connect(postgres_database, autocommit=True) as db:
        db.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
        try:
            options = f"-c search_path={tmp_path.name}"
            yield with_database(postgres_database, WORKER, options=options)
        finally:
            db.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(schema))


@pytest.fixture
def open_postgres(postgres_url: str) -> Iterator[Opener]:
    """Open ledgers on one empty database, and close them at the end."""
    with ExitStack() as stack:

        def opener(clock: Clock | None = None) -> StoredLedger:
            ledger = StoredLedger(PostgresStore(postgres_url, clock or Clock()))
            stack.callback(ledger.close)
            return ledger

        yield opener
