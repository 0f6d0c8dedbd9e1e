"""Open, or audit, a ledger by its address."""

import contextlib
import importlib
import re
import time
from pathlib import Path

from availability.ledger.protocol import Ledger
from availability.ledger.sqlite.database import read_only
from availability.ledger.sqlite.session import SqliteSession
from availability.ledger.sqlite.store import SqliteStore
from availability.ledger.statements.audit import audit
from availability.ledger.store import Store
from availability.ledger.stored_ledger import StoredLedger
from availability.model import Clock
from availability.reservations import AuditReport

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_SECRET = re.compile(r"(://[^/@:]*:|\bpassword=)[^@&]*", re.IGNORECASE)
_MEMORY = ("", ":memory:")
_POSTGRES = ("postgresql", "postgres")


def open_ledger(url: str, clock: Clock = time.time) -> Ledger:
    """Open, or create, the ledger at ``url``.

    ========================  ====================================================
    ``sqlite:///stock.db``    a file, relative to the working folder
    ``sqlite:////var/s.db``   a file, absolute
    ``stock.db``              a file: a bare path
    ``sqlite://``             in memory: gone when it is closed
    ``:memory:``              the same
    ``postgresql://…``        a PostgreSQL database, as libpq writes its address
    ========================  ====================================================

    The folder must exist; the file is created for its owner alone. PostgreSQL needs
    the extra ``repartir[postgres]``; its tables are created in the first schema of the
    search path. ``clock`` gives seconds since the epoch: it decides the UTC day of
    capacities; PostgreSQL has its own, unless another one is given.

    Raises
    ------
    ValueError
        Another scheme, or no address at all.
    StoreTooOld
        The engine has a known fault, or the file or the database is another
        application's or of another version.
    StoreUnavailable
        The file or the database can not be opened, or another process has the file
        open; or the driver for PostgreSQL is not installed.
    """
    if is_postgres(url):
        # Imported on demand: it takes a third of a second, which SQLite does not need.
        module = importlib.import_module("availability.ledger.postgres.store")
        store: Store = module.PostgresStore(url, None if clock is time.time else clock)
        return StoredLedger(store)
    return StoredLedger(SqliteStore(sqlite_path(url), clock))


def audit_url(url: str, repair: bool = False) -> AuditReport:
    """Audit the ledger at ``url``; see `Ledger.audit` and `open_ledger`.

    Without ``repair`` nothing is written, and an SQLite file may be in use by a
    server.

    Raises
    ------
    ValueError, StoreTooOld, StoreUnavailable
        As `open_ledger`.
    """
    if not repair and not is_postgres(url):
        path = sqlite_path(url)
        if path is not None:
            with read_only(path) as db:
                return audit(SqliteSession(db))
    with contextlib.closing(open_ledger(url)) as ledger:
        return ledger.audit(repair)


def is_postgres(url: str) -> bool:
    """Tell whether a ledger's address is one that several processes may share."""
    match = _SCHEME.fullmatch(url)
    return match is not None and match[1] in _POSTGRES


def without_secrets(url: str) -> str:
    """Return a ledger's address as it may be shown and logged."""
    return _SECRET.sub(r"\1***", url)


def sqlite_path(url: str) -> Path | None:
    """Return the file of a ledger's address, None for memory.

    Raises
    ------
    ValueError
        It is another scheme's, or no address at all.
    """
    if not url:
        raise ValueError("a ledger's address must not be empty")
    match = _SCHEME.fullmatch(url)
    if match is None:
        return None if url in _MEMORY else Path(url)
    scheme, rest = match.groups()
    if scheme != "sqlite" or (rest and not rest.startswith("/")):
        raise ValueError(
            f"no ledger for {url!r}: a ledger's address is sqlite:///PATH, a bare "
            "path, sqlite:// for memory, or postgresql://…"
        )
    path = rest.removeprefix("/")
    return None if path in _MEMORY else Path(path)
