"""A ledger's file: made, recognised, refused."""

import functools
import os
from pathlib import Path
from typing import Any

from sqlalchemy.dialects import sqlite as dialects
from sqlalchemy.schema import CreateIndex, CreateTable

from availability.errors import StoreTooOld, StoreUnavailable
from availability.ledger.statements.tables import metadata

APPLICATION_ID = 0x72707274
"""Stands in the header of every file of ours: "rprt"."""

SCHEMA_VERSION = 2
"""The version of the tables."""

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
    """Make a connection the writer of a file of ours, a new one if it is empty.

    Raises
    ------
    StoreTooOld
        The file is another application's or of another version; it is as it was.
    StoreUnavailable
        It can have no write-ahead log.
    """
    fresh = _is_fresh(connection, name)
    _configure(connection)
    if fresh:
        _create_schema(connection)


def check_file(connection: Any, name: str) -> None:
    """Refuse a file that is not a ledger of this version.

    Raises
    ------
    StoreTooOld
        It is another application's or of another version.
    """
    if _is_fresh(connection, name):
        raise StoreTooOld(f"{name} is empty: no ledger was made there yet")


def _is_fresh(connection: Any, name: str) -> bool:
    try:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (objects,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except connection.OperationalError:
        raise
    except connection.DatabaseError as error:
        raise StoreTooOld(f"{name} is not a sound SQLite database: {error}") from error
    if (application, version, objects) == (0, 0, 0):
        return True
    if application != APPLICATION_ID:
        raise StoreTooOld(
            f"{name} belongs to another application: its id is {application:#010x}, "
            f"a ledger's {APPLICATION_ID:#010x}"
        )
    if version != SCHEMA_VERSION:
        raise StoreTooOld(
            f"{name} has schema version {version}, this program knows {SCHEMA_VERSION}"
        )
    return False


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
