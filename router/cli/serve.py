"""`repartir serve`: the server, until it is told to stop."""

import asyncio
import logging
from typing import Annotated

import typer

from availability.errors import StoreTooOld, StoreUnavailable
from availability.ledger.open import open_ledger
from router.cli.durations import duration_seconds
from router.cli.quiet import fail, quietly
from router.rpc.address import CannotListen
from router.rpc.server import RpcServer, ServerOptions
from router.rpc.server import serve as serve_until_stopped

DEFAULT_ADDRESS = "127.0.0.1:7450"
DEFAULT_DATABASE = "sqlite:///repartir.db"
READY = "repartir: serving on "
"""What stands before the address in the first line of output."""


def serve(
    listen: Annotated[
        str, typer.Option(help="host:port (port 0: any that is free) or unix:path")
    ] = DEFAULT_ADDRESS,
    database: Annotated[
        str, typer.Option(help="where the stock is kept: sqlite:///file")
    ] = DEFAULT_DATABASE,
    pre_stop: Annotated[
        str,
        typer.Option(help="before stopping, say NOT_SERVING for so long: 0s to 60s"),
    ] = "1s",
) -> None:
    """Serve the API over gRPC until SIGTERM or Ctrl-C, then finish what is open.

    The first line of output says the address, once calls are taken.
    """
    with quietly():
        options = ServerOptions(
            address=listen,
            pre_stop_seconds=duration_seconds("--pre-stop", pre_stop, 0.0, 60.0),
        )
        logging.basicConfig(
            level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s"
        )

        def ready(server: RpcServer) -> None:
            typer.echo(f"{READY}{server.address}, stock in {database}")

        try:
            ledger = open_ledger(database)
            asyncio.run(serve_until_stopped(ledger, options, ready))
        except (ValueError, StoreTooOld, StoreUnavailable) as error:
            raise fail(f"--database {database}: {error}") from None
        except CannotListen as error:
            raise fail(f"{error}: choose another with --listen") from None
