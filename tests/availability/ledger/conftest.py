"""A ledger in a file, opened as often as a test likes, closed at its end."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from availability.ledger.stored_ledger import StoredLedger
from tests.availability.ledger.postgres_server import (  # noqa: F401 - fixtures
    fresh_url,
    open_postgres,
    postgres_database,
    postgres_server,
    postgres_url,
)
from tests.availability.ledger.sqlite_file import Opener, open_sqlite
from tests.availability.ledger.world import Clock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stock #1 %41.db"  # a name that a careless URI would misread


@pytest.fixture
def open_file(path: Path) -> Iterator[Opener]:
    with ExitStack() as stack:

        def opener(clock: Clock | None = None) -> StoredLedger:
            ledger = open_sqlite(path, clock or Clock())
            stack.callback(ledger.close)
            return ledger

        yield opener
