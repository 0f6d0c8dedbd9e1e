"""PostgreSQL does what the model does, whatever comes and whoever is killed."""

from typing import ClassVar

import psycopg
import pytest
from hypothesis import settings

from availability.ledger.postgres.store import PostgresStore
from availability.ledger.protocol import Ledger
from availability.ledger.stored_ledger import StoredLedger
from tests.availability.ledger.postgres_server import empty
from tests.availability.ledger.stateful import SETTINGS, LedgerMachine
from tests.availability.ledger.world import Clock


class PostgresMachine(LedgerMachine):
    """A crash kills every backend of the ledger, in the middle of whatever it does."""

    address: ClassVar[str]

    def open_ledger(self, clock: Clock) -> Ledger:
        empty(self.address)
        return StoredLedger(PostgresStore(self.address, clock))

    def crash_and_reopen(self) -> Ledger:
        with psycopg.connect(self.address, autocommit=True) as db:
            db.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND backend_type = 'client backend'"
            )
        self.ledger.close()
        return StoredLedger(PostgresStore(self.address, self.clock))


@pytest.fixture(autouse=True)
def _address(postgres_url: str) -> None:
    PostgresMachine.address = postgres_url


TestPostgres = PostgresMachine.TestCase
TestPostgres.settings = settings(SETTINGS, max_examples=8)
