"""What the command line's tests share."""

from tests.cli.replaying import replay  # noqa: F401 - a fixture
from tests.ledger.postgres import (  # noqa: F401 - fixtures
    postgres_database,
    postgres_server,
    postgres_url,
)
