"""What runs statements in SQLite: a cursor, and a `Session` on one."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy.dialects import sqlite as dialects
from sqlalchemy.sql.expression import ClauseElement

from availability.ledger.statements.session import Compiler, Row


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


_compiled = Compiler(dialects.dialect(paramstyle="named"))


class SqliteSession:
    """A cursor as a `Session`: see there."""

    __slots__ = ("_cursor",)

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor

    def rows(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        """Run a statement and return its rows."""
        text, own = _compiled(statement)
        rows: list[Row] = self._cursor.execute(text, {**own, **values}).fetchall()
        return rows

    def count(self, statement: ClauseElement, /, **values: object) -> int:
        """Run a statement and return how many rows it changed."""
        text, own = _compiled(statement)
        return self._cursor.execute(text, {**own, **values}).rowcount

    def many(
        self, statement: ClauseElement, rows: Sequence[Mapping[str, object]], /
    ) -> None:
        """Run a statement once for each of many rows."""
        text, own = _compiled(statement)
        self._cursor.executemany(text, [{**own, **row} for row in rows])

    def run(self, sql: str, values: Mapping[str, object] = {}, /) -> list[Row]:
        """Run SQL written by hand; return its rows, none if it has none."""
        rows: list[Row] = self._cursor.execute(sql, values).fetchall()
        return rows
