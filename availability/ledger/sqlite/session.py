"""What runs statements in SQLite: a cursor, and a `Session` on one."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from sqlalchemy.dialects import sqlite as dialects

from availability.ledger.statements.session import Compiler, CursorSession


class Cursor(Protocol):
    """What the ledger uses of a DB-API cursor."""

    @property
    def rowcount(self) -> int:
        """Rows the last statement changed."""
        ...

    @property
    def lastrowid(self) -> int:
        """Key of the last row inserted."""
        ...

    def execute(self, sql: str, parameters: Any = (), /) -> "Cursor":
        """Run one statement."""
        ...

    def executemany(self, sql: str, parameters: Sequence[Any], /) -> "Cursor":
        """Run one statement for each of many rows."""
        ...

    def fetchone(self) -> Any:
        """Return the next row, or None."""
        ...

    def fetchall(self) -> Any:
        """Return all rows that are left."""
        ...

    def __iter__(self) -> Iterator[Any]: ...


class SqliteSession(CursorSession):
    """A cursor of SQLite as a session."""

    __slots__ = ()
    compiled = Compiler(dialects.dialect(paramstyle="named"))
