"""The options of commands that read offers from files, or from a server instead."""

import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from availability.ledger.open import is_postgres, sqlite_path
from router.cli.console.durations import instant_seconds
from router.cli.console.exits import SOME_FAILED, fail
from router.cli.offers.from_files import Files
from router.cli.remote.options import TargetOptions

_option = partial(typer.Option, rich_help_panel="Files instead of a server")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """A network and its stock in files, and the instant to look at them."""

    network: Annotated[
        Path | None,
        _option(
            help="TOML: locations, channels, settings, allocations, kits and expected "
            "receipts; see docs/network-file.md. Needs --stock"
        ),
    ] = None
    stock: Annotated[
        Path | None,
        _option(
            help="CSV: location, sku, on_hand and any of zone, withdrawn, allocated, "
            "held, safety_stock, status, as_of. Needs --network"
        ),
    ] = None
    holds: Annotated[
        Path | None,
        _option(
            help="CSV: channel, sku, quantity: units promised on a channel and not "
            "assigned to a location; rows are added up, negative ones subtract"
        ),
    ] = None
    now: Annotated[
        str | None,
        _option(
            metavar="INSTANT",
            help="compute as of this instant, like 2026-01-31T09:00:00Z; default: now",
        ),
    ] = None

    def files(self, target: TargetOptions) -> Files | None:
        """Return the files, None for a server or database; end the command if bad."""
        if self == FileOptions():
            target.check()
            _check_database(target.database)
            return None
        if target != TargetOptions():
            raise fail(
                "--network, --stock, --holds and --now are for files: leave out"
                " --server and --database"
            )
        if self.network is None or self.stock is None:
            raise fail("offers from files need both --network and --stock")
        now, current = self.now, int(time.time())
        seconds = current if now is None else instant_seconds("--now", now)
        return Files(self.network, self.stock, seconds, self.holds)


def _check_database(database: str | None) -> None:
    """Refuse a missing file: opening it would create it."""
    if database is None or is_postgres(database):
        return
    # A malformed address is reported when it is opened.
    with suppress(ValueError):
        path = sqlite_path(database)
        if path is not None and not path.exists():
            raise fail(f"--database {database}: no such file", status=SOME_FAILED)
