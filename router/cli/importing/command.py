"""`repartir import`: files into the stock, in requests safe to repeat."""

import re
import uuid
from pathlib import Path
from typing import Annotated

import typer

from availability.imports.network_file import read_network_file
from router.cli.console.exits import clean_exit, fail
from router.cli.console.option_groups import with_option_groups
from router.cli.importing.network import import_network
from router.cli.importing.options import StockOptions
from router.cli.importing.stock import import_stock
from router.cli.remote.access import Access
from router.cli.remote.options import TargetOptions, failures_printed

_REQUEST_ID = re.compile(r"[!-~]{1,100}")


@with_option_groups
def import_(
    files: StockOptions,
    target: TargetOptions,
    access: Access,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="network file (TOML): locations, channels, settings, allocations, "
            "kits and expected receipts; see docs/network-file.md",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="show what would change, change nothing")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="keep what the network file does not list")
    ] = False,
    request_id: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="resume an interrupted import: the id it printed"
        ),
    ] = None,
) -> None:
    """Import a network file; or locations, stock, or both.

    A network file is compared with the store: additions (+), changes (~) and
    removals (-) are shown, then applied in one transaction.

    All files are checked before anything is sent. A snapshot is tried first, and
    changes no stock if it would remove more than --max-drop.

    Exit status: 0, imported; 1, the snapshot removes too much, or the server refused
    or was lost; 2, bad usage or bad files.
    """
    with clean_exit():
        target.check()
        if file is not None and files != StockOptions():
            raise fail(
                "a network file is imported alone: leave out --stock, --locations, "
                "--mode, --max-drop, --force and --format"
            )
        if file is None and keep:
            raise fail("--keep is for a network file only")
        if file is None:
            files.check(dry_run=dry_run)
        if request_id is not None and not _REQUEST_ID.fullmatch(request_id):
            raise fail(
                "--request-id must be 1 to 100 printable ASCII characters, no spaces"
            )
        run_id = request_id or str(uuid.uuid4())
        with failures_printed(_hint(file)):
            if file is None:
                import_stock(files, target, access, run_id, dry_run=dry_run)
                return
            # Before anything is opened: opening would create a database.
            network = read_network_file(file)
            with target.open(access) as opened:
                import_network(opened, network, run_id, dry_run, keep)


def _hint(file: Path | None) -> tuple[str, ...]:
    if file is None or file.suffix.lower() != ".csv":
        return ()
    return ("import stock and locations with --stock and --locations",)
