"""How many statements each write sends to its database: pinned, and not its time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from availability.ledger.protocol import Ledger
from availability.reservations import Cancel, PlanRef
from tests.availability.ledger import postgres_server, sqlite_file
from tests.availability.ledger.world import (
    change,
    import_set,
    request,
    reservation,
    stocked,
)

Count = Callable[[Ledger, Callable[[], object]], int]


def count_sqlite(ledger: Ledger, write: Callable[[], object]) -> int:
    """Count what SQLite runs on the writer's connection."""
    sent: list[str] = []
    connection = sqlite_file.raw(ledger)
    connection.set_trace_callback(sent.append)
    try:
        write()
    finally:
        connection.set_trace_callback(None)
    return len(sent)


def count_postgres(_: Ledger, write: Callable[[], object]) -> int:
    """Count what the driver sends, whichever connection it takes."""
    sent: list[object] = []

    @contextmanager
    def counting(name: str) -> Iterator[None]:
        real = getattr(psycopg.Cursor, name)

        def spy(cursor: Any, sql: object, *values: Any, **more: Any) -> Any:
            if sql:  # empty: the pool asks whether an idle connection lives
                sent.append(sql)
            return real(cursor, sql, *values, **more)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(psycopg.Cursor, name, spy)
            yield

    with counting("execute"), counting("executemany"):
        write()
    return len(sent)


@pytest.fixture
def sqlite(open_file: sqlite_file.Opener) -> tuple[Ledger, Count]:
    return open_file(), count_sqlite


@pytest.fixture
def postgres(open_postgres: postgres_server.Opener) -> tuple[Ledger, Count]:
    return open_postgres(), count_postgres


def both(**counts: tuple[int, ...]) -> pytest.MarkDecorator:
    """Run on each database, with its numbers of statements."""
    return pytest.mark.parametrize(("database", "expected"), list(counts.items()))


@pytest.fixture
def opened(database: str, request: pytest.FixtureRequest) -> tuple[Ledger, Count]:
    ledger, count = request.getfixturevalue(database)
    stocked(ledger, {("a", "x"): 100, ("b", "x"): 100})
    return ledger, count


@both(sqlite=(11, 13, 67), postgres=(1, 1, 1))
def test_reservations(opened: tuple[Ledger, Count], expected: tuple[int, ...]) -> None:
    """One of one claim, one of two claims, and a group of eight of one claim."""
    ledger, count = opened
    one = reservation("1", ("a", "x", 1), request=request("1"))
    two = reservation("2", ("a", "x", 1), ("b", "x", 1), request=request("2"))
    group = [
        reservation(str(n), ("a", "x", 1), request=request(str(n)))
        for n in range(3, 11)
    ]

    found = (
        count(ledger, lambda: ledger.reserve(one)),
        count(ledger, lambda: ledger.reserve(two)),
        count(ledger, lambda: ledger.reserve_many(group)),
    )

    assert found == expected


@both(sqlite=(14,), postgres=(14,))
def test_a_cancellation(
    opened: tuple[Ledger, Count], expected: tuple[int, ...]
) -> None:
    ledger, count = opened
    ledger.reserve(reservation("1", ("a", "x", 1), request=request("1")))

    def cancel() -> None:
        ledger.change(PlanRef("plan-1"), Cancel(), request("2"))

    assert (count(ledger, cancel),) == expected


@both(sqlite=(18, 18), postgres=(28, 28))
def test_an_import_chunk(
    opened: tuple[Ledger, Count], expected: tuple[int, ...]
) -> None:
    """As many for one change as for a thousand."""
    ledger, count = opened
    chunk = [change("a", f"s{n}", 5) for n in range(1_000)]

    found = (
        count(ledger, lambda: import_set(ledger, change("a", "x", 7))),
        count(ledger, lambda: import_set(ledger, *chunk)),
    )

    assert found == expected
