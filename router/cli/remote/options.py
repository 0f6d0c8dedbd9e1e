"""The options of every command that goes to a server, or to a database instead."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from availability.errors import BadFile
from router.cli.console.exits import SOME_FAILED, fail
from router.cli.remote.access import (
    CA_HELP,
    CERTIFICATE_HELP,
    INSECURE_HELP,
    KEY_HELP,
    TOKEN_HELP,
    BadAccess,
)
from router.cli.remote.client import CallFailed
from router.cli.remote.defaults import DEFAULT_ADDRESS

ServerOption = Annotated[
    str | None,
    typer.Option(help=f"a running server's host:port; {DEFAULT_ADDRESS} if unset"),
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(help="a database that no server has open: sqlite:///file"),
]
CaOption = Annotated[str | None, typer.Option(help=CA_HELP, envvar="REPARTIR_CA")]
CertificateOption = Annotated[
    Path | None, typer.Option(help=CERTIFICATE_HELP, envvar="REPARTIR_CERTIFICATE")
]
KeyOption = Annotated[Path | None, typer.Option(help=KEY_HELP, envvar="REPARTIR_KEY")]
TokenOption = Annotated[
    str | None, typer.Option(help=TOKEN_HELP, envvar="REPARTIR_TOKEN")
]
InsecureTokenOption = Annotated[
    bool, typer.Option("--insecure-token", help=INSECURE_HELP)
]


@contextmanager
def failures_told(hint: Sequence[str] = ()) -> Iterator[None]:
    """End the command with a line for each fault, and ``hint`` after bad files."""
    try:
        yield
    except BadFile as error:
        raise fail(*error.lines, *hint) from None
    except BadAccess as error:
        raise fail(str(error)) from None
    except CallFailed as error:
        raise fail(*error.lines, status=SOME_FAILED) from None
