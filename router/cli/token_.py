"""`repartir token`: a new bearer token, and what the server is to know of it."""

from typing import Annotated

import typer

from router.cli.console.exits import clean_exit, fail
from router.rpc.transport.tokens import SCOPES, new_secret, stanza


def token(
    name: Annotated[str, typer.Argument(help="who is to have it: A-Z a-z 0-9 _ -")],
    scope: Annotated[
        list[str],
        typer.Option(
            help="route: plan orders and read stock; stock: read and write stock; "
            "admin: everything. May be given several times"
        ),
    ],
) -> None:
    """Make a bearer token with scopes.

    The secret is shown once, on stderr, and kept nowhere. What goes into the file
    of `repartir serve --tokens` is on stdout, so that `>> tokens.toml` adds it and
    the secret is not in the file.
    """
    with clean_exit():
        unknown = [each for each in scope if each not in SCOPES]
        if unknown:
            raise fail(f"--scope must be one of {', '.join(SCOPES)}, got {unknown[0]}")
        secret = new_secret()
        try:
            entry = stanza(name, secret, list(dict.fromkeys(scope)))
        except ValueError as error:
            raise fail(f"NAME {error}") from None
        typer.echo(f"The token of {name}, shown this once:", err=True)
        typer.echo(secret, err=True)
        typer.echo(entry)
