"""What the command line's tests share."""

from tests.availability.ledger.postgres_server import (  # noqa: F401 - fixtures
    postgres_database,
    postgres_server,
    postgres_url,
)
from tests.router.cli.routing.replaying import replay  # noqa: F401 - a fixture
