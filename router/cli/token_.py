"""`repartir token`: a new bearer token, and its entry for the server's file."""

from typing import Annotated

import typer

from router.cli.console.exits import clean_exit, fail
from router.rpc.transport.tokens import SCOPES, new_secret, stanza


def token(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="name of the caller: A-Z a-z 0-9 _ -")
    ],
    scope: Annotated[
        list[str],
        typer.Option(
            help="route: plan orders and read stock; stock: read and write stock; "
            "admin: everything. Can be repeated"
        ),
    ],
) -> None:
    """Make a bearer token with scopes.

    The secret is printed once, on stderr, and stored nowhere. Its entry for the file
    of `repartir serve --tokens`, which has only a hash, is printed on stdout: append
    it with `>> tokens.toml`.
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
        typer.echo(f"The token of {name}, shown only once:", err=True)
        typer.echo(secret, err=True)
        typer.echo(entry)
