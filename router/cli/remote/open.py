"""Open a server or a database by its options."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from availability.errors import StoreTooOld, StoreUnavailable
from availability.ledger.open import open_ledger, without_secrets
from router.cli.remote.access import Access
from router.cli.remote.client import CallFailed, connect
from router.cli.remote.database_target import DatabaseTarget
from router.cli.remote.server_target import ServerTarget

Target = ServerTarget | DatabaseTarget
"""Takes locations, stock and a setup; a repeated request id is applied once.

Every method raises CallFailed. Each read is of one version of the store, except that
a server's locations may span two.
"""


@contextmanager
def open_target(
    server: str, database: str | None, access: Access = Access()
) -> Iterator[Target]:
    """Open a database if one is named, else connect to the server.

    Raises
    ------
    BadAccess
        The options do not make a connection.
    CallFailed
        No server answers, or the database cannot be opened.
    """
    if database is None:
        with connect(server, access) as client:
            yield ServerTarget(client)
        return
    try:
        ledger = open_ledger(database)
    except (ValueError, StoreTooOld, StoreUnavailable) as error:
        raise CallFailed(f"--database {without_secrets(database)}: {error}") from None
    with closing(ledger):
        yield DatabaseTarget(ledger)
