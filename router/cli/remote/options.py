"""The options of every command that goes to a server, or to a database instead."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Annotated

from availability.errors import BadFile
from router.cli.console.exits import SOME_FAILED, fail
from router.cli.remote.access import Access, BadAccess, option
from router.cli.remote.client import CallFailed
from router.cli.remote.defaults import DEFAULT_ADDRESS
from router.cli.remote.open import Target, open_target

ServerOption = Annotated[
    str | None,
    option(metavar="HOST:PORT", help=f"a running server; default {DEFAULT_ADDRESS}"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOptions:
    """A server or a database."""

    server: ServerOption = None
    database: Annotated[
        str | None,
        option(
            metavar="URL",
            help="instead of a server: postgresql://..., or sqlite:///FILE that no "
            "server has open",
        ),
    ] = None

    @property
    def noun(self) -> str:
        """What the options name."""
        return "the server" if self.database is None else "the database"

    def check(self) -> None:
        """End the command if both are given."""
        if self.server is not None and self.database is not None:
            raise fail("give --server or --database, not both")

    def open(self, access: Access) -> AbstractContextManager[Target]:
        """Open what the options name; raises as `open_target`."""
        return open_target(self.server or DEFAULT_ADDRESS, self.database, access)


@contextmanager
def failures_printed(hint: Sequence[str] = ()) -> Iterator[None]:
    """End the command with a line for each fault, and ``hint`` after bad files."""
    try:
        yield
    except BadFile as error:
        raise fail(*error.lines, *hint) from None
    except BadAccess as error:
        raise fail(str(error)) from None
    except CallFailed as error:
        raise fail(*error.lines, status=SOME_FAILED) from None
