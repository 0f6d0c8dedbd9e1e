"""A ledger's file: created, recognised, upgraded, refused."""

import functools
import os
from pathlib import Path
from typing import Any

from sqlalchemy.dialects import sqlite as dialects
from sqlalchemy.schema import CreateIndex, CreateTable

from availability.errors import StoreTooOld, StoreUnavailable
from availability.ledger.migrations.scripts import statements_of
from availability.ledger.statements.tables import metadata

APPLICATION_ID = 0x72707274
"""Stands in the header of every file of ours: "rprt"."""

SCHEMA_VERSION = 3
"""The version of the tables."""

UPGRADES = {2: "0002"}
"""By older version, the migration that leads to the next."""

CACHE_KIB = 65_536
"""Pages the writer keeps in memory."""

CHECKPOINT_PAGES = 4_000
"""Pages in the write-ahead log (4 KiB each) at which a commit moves them into the
file. More make commits cheaper, and the one that moves them wait longer: about
5 us a page."""

WAL_BYTES = 64 * 2**20
"""What the write-ahead log is cut back to after a large import."""


def create(path: Path) -> None:
    """Create the file for its owner alone; SQLite gives its side files the same.

    Raises
    ------
    StoreUnavailable
        It can not be opened to read and write.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreUnavailable(f"{path} could not be opened: {error}") from error


def prepare(connection: Any, name: str) -> None:
    """Make a connection the writer of a ledger's file.

    An empty file gets its tables; one of an older version is upgraded. The caller's
    lock keeps other processes from opening the file meanwhile.

    Raises
    ------
    StoreTooOld
        The file is another application's or of an unknown version; it is unchanged.
    StoreUnavailable
        It can have no write-ahead log.
    """
    version = _version_of(connection, name)
    _configure(connection)
    if version is None:
        _create_schema(connection)
    else:
        _upgrade(connection, version)


def check_file(connection: Any, name: str) -> None:
    """Refuse a file that is not a ledger of this version.

    Raises
    ------
    StoreTooOld
        It is another application's or of another version.
    """
    version = _version_of(connection, name)
    if version is None:
        raise StoreTooOld(f"{name} is empty: no ledger was made there yet")
    if version != SCHEMA_VERSION:
        raise StoreTooOld(
            f"{name} has schema version {version}, older than {SCHEMA_VERSION}: "
            "start a server on it once to upgrade it"
        )


def _version_of(connection: Any, name: str) -> int | None:
    """Return a ledger's schema version, None for an empty file."""
    try:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (objects,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except connection.OperationalError:
        raise
    except connection.DatabaseError as error:
        raise StoreTooOld(f"{name} is not a sound SQLite database: {error}") from error
    if (application, version, objects) == (0, 0, 0):
        return None
    if application != APPLICATION_ID:
        raise StoreTooOld(
            f"{name} belongs to another application: its id is {application:#010x}, "
            f"a ledger's {APPLICATION_ID:#010x}"
        )
    if version != SCHEMA_VERSION and version not in UPGRADES:
        raise StoreTooOld(
            f"{name} has schema version {version}, this program knows "
            f"{min(UPGRADES)} to {SCHEMA_VERSION}"
        )
    return int(version)


def _configure(connection: Any) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode not in ("wal", "memory"):
        raise StoreUnavailable(f"no write-ahead log on this file system: {mode}")
    for pragma in (
        "synchronous = FULL",  # a commit that has returned survives a power cut
        "foreign_keys = ON",
        "trusted_schema = OFF",
        "cell_size_check = ON",
        "mmap_size = 0",  # an I/O error would be a signal, not an error
        f"cache_size = -{CACHE_KIB}",
        f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
        f"journal_size_limit = {WAL_BYTES}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _create_schema(connection: Any) -> None:
    # One transaction: a crash in the middle leaves an empty file, not half a schema.
    connection.executescript(
        f"BEGIN IMMEDIATE; {_schema()};"
        "INSERT INTO ledger VALUES (1, 0, 0, 0);"
        f"PRAGMA application_id = {APPLICATION_ID};"
        f"PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
    )


def _upgrade(connection: Any, version: int) -> None:
    """Bring a file to `SCHEMA_VERSION`, each step in one transaction.

    Its version changes with its tables: a crash in the middle leaves the older ones.
    """
    for older in range(version, SCHEMA_VERSION):
        statements = ";\n".join(statements_of(UPGRADES[older], "sqlite"))
        connection.executescript(
            f"BEGIN IMMEDIATE; {statements}; PRAGMA user_version = {older + 1}; COMMIT;"
        )


@functools.cache
def _schema() -> str:
    """Return the statements that make the tables."""
    made: list[str] = []
    for table in metadata.sorted_tables:
        indexes = sorted(table.indexes, key=lambda each: str(each.name))
        made.append(str(CreateTable(table).compile(dialect=dialects.dialect())))
        for each in indexes:
            made.append(str(CreateIndex(each).compile(dialect=dialects.dialect())))
    return ";".join(made)
