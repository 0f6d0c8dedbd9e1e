"""Statements of one transaction, whichever database runs them.

What is off the hot path is written once, in SQLAlchemy's expression language, and
compiled once for each database; the driver runs the text. SQLAlchemy's own
connections are not used: transactions, errors and reconnecting are the store's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

from sqlalchemy import Dialect
from sqlalchemy.sql.expression import ClauseElement

Row = tuple[Any, ...]


class Session(Protocol):
    """Runs statements within a transaction that its opener ends."""

    def rows(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        """Run a statement and return its rows, with ``values`` for its parameters."""
        ...

    def count(self, statement: ClauseElement, /, **values: object) -> int:
        """Run a statement that returns no rows; return how many it changed."""
        ...

    def many(
        self, statement: ClauseElement, rows: Sequence[Mapping[str, object]], /
    ) -> None:
        """Run a statement that returns no rows, once for each of ``rows``."""
        ...

    def run(self, sql: str, values: Mapping[str, object] = {}, /) -> list[Row]:
        """Run SQL in this database's dialect; return its rows, none if it has none."""
        ...


class Compiled(NamedTuple):
    """A statement as a driver takes it, and the values it carries itself."""

    text: str
    values: Mapping[str, object]


class Compiler:
    """Compiles statements for one dialect, each once; they live for ever."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._known: dict[ClauseElement, Compiled] = {}

    def __call__(self, statement: ClauseElement) -> Compiled:
        """Return the text and the values of a statement: a constant of a module."""
        known = self._known.get(statement)
        if known is None:
            compiled = statement.compile(
                # Lists of constants are written out: no driver takes a list.
                dialect=self._dialect,
                compile_kwargs={"render_postcompile": True},
            )
            known = Compiled(compiled.string, compiled.params)
            self._known[statement] = known
        return known


@dataclass(slots=True, eq=False)
class CursorSession:
    """A `Session` on a driver's cursor: see there."""

    _cursor: Any
    compiled: ClassVar[Compiler]
    """For the dialect of the database; each has a subclass."""

    def rows(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        """Run a statement and return its rows."""
        text, own = self.compiled(statement)
        rows: list[Row] = self._cursor.execute(text, {**own, **values}).fetchall()
        return rows

    def count(self, statement: ClauseElement, /, **values: object) -> int:
        """Run a statement and return how many rows it changed."""
        text, own = self.compiled(statement)
        return int(self._cursor.execute(text, {**own, **values}).rowcount)

    def many(
        self, statement: ClauseElement, rows: Sequence[Mapping[str, object]], /
    ) -> None:
        """Run a statement once for each of many rows, without waiting for each."""
        text, own = self.compiled(statement)
        self._cursor.executemany(text, [{**own, **row} for row in rows])

    def run(self, sql: str, values: Mapping[str, object] = {}, /) -> list[Row]:
        """Run SQL written by hand; return its rows, none if it has none."""
        cursor = self._cursor.execute(sql, values)
        return [] if cursor.description is None else cursor.fetchall()
