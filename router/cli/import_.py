"""`repartir import`: files into the stock, in requests safe to repeat."""

import re
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from availability.errors import BadFile
from availability.imports.csv_stock import StockFiles, read_files
from availability.model import ImportMode, Location, StockChange
from router.cli.access import (
    CA_HELP,
    CERTIFICATE_HELP,
    INSECURE_HELP,
    KEY_HELP,
    TOKEN_HELP,
    Access,
    BadAccess,
)
from router.cli.chunks import check_snapshot, location_chunks, stock_chunks
from router.cli.client import CallFailed
from router.cli.progress import progress
from router.cli.quiet import SOME_FAILED, fail, quietly
from router.cli.serve import DEFAULT_ADDRESS
from router.cli.targets import Target, open_target

_CHANGE = re.compile(r"^changes\[([0-9]{1,5})\]\.\w+")
_REQUEST_ID = re.compile(r"[!-~]{1,100}")


def import_(
    server: Annotated[
        str | None,
        typer.Option(help=f"a running server's host:port; {DEFAULT_ADDRESS} if unset"),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(help="a database that no server has open: sqlite:///file"),
    ] = None,
    mode: Annotated[
        ImportMode | None,
        typer.Option(
            help="set: replaces the quantities named; snapshot: and zeroes every other "
            "SKU of the locations named; delta: adds. Needed with --stock"
        ),
    ] = None,
    locations: Annotated[
        Path | None,
        typer.Option(
            help="CSV: location and any of rank,kind,latitude,longitude,active,origin,"
            "capacity_orders,capacity_units; replaces each location it names"
        ),
    ] = None,
    stock: Annotated[
        Path | None, typer.Option(help="CSV: location,sku,on_hand")
    ] = None,
    request_id: Annotated[
        str | None,
        typer.Option(
            help="goes on with an import that was interrupted: the id it said"
        ),
    ] = None,
    ca: Annotated[str | None, typer.Option(help=CA_HELP, envvar="REPARTIR_CA")] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(help=CERTIFICATE_HELP, envvar="REPARTIR_CERTIFICATE"),
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help=KEY_HELP, envvar="REPARTIR_KEY")
    ] = None,
    token: Annotated[
        str | None, typer.Option(help=TOKEN_HELP, envvar="REPARTIR_TOKEN")
    ] = None,
    insecure_token: Annotated[
        bool, typer.Option("--insecure-token", help=INSECURE_HELP)
    ] = False,
) -> None:
    """Import locations, stock, or both, from CSV files.

    Nothing is sent before both files have been read and found free of faults. Exit
    status: 0, all is imported; 1, the server refused or was lost; 2, bad usage or
    bad files.
    """
    with quietly():
        if server is not None and database is not None:
            raise fail("give --server or --database, not both")
        if stock is None and locations is None:
            raise fail("nothing to import: give --stock, --locations or both")
        if stock is not None and mode is None:
            raise fail("--stock needs --mode: set, snapshot or delta")
        if request_id is not None and not _REQUEST_ID.fullmatch(request_id):
            raise fail(
                "--request-id must be 1 to 100 printable ASCII characters, no spaces"
            )
        try:
            files = read_files(stock, locations, delta=mode is ImportMode.DELTA)
            if mode is ImportMode.SNAPSHOT:
                check_snapshot(files.on_hand)
        except BadFile as error:
            raise fail(*error.lines) from None
        run_id = request_id or str(uuid.uuid4())
        access = Access(
            ca=ca,
            certificate=certificate,
            key=key,
            token=token,
            insecure_token=insecure_token,
        )
        try:
            with open_target(server or DEFAULT_ADDRESS, database, access) as target:
                # Locations that only the stock file names are the server's to know.
                listed = () if locations is None else files.locations
                _send(target, run_id, listed, mode, files)
        except BadAccess as error:
            raise fail(str(error)) from None
        except CallFailed as error:
            raise fail(*error.lines, status=SOME_FAILED) from None


def _send(
    target: Target,
    run_id: str,
    locations: Sequence[Location],
    mode: ImportMode | None,
    files: StockFiles,
) -> None:
    try:
        if locations:
            _put_locations(target, run_id, locations)
        if mode is not None:
            _import_stock(target, run_id, mode, files)
    except CallFailed as error:
        raise CallFailed(*error.lines, _how_to_go_on(run_id)) from None
    except KeyboardInterrupt:
        typer.echo(f"repartir: {_how_to_go_on(run_id)}", err=True)
        raise


def _how_to_go_on(run_id: str) -> str:
    return (
        "what was sent before stays; repeat the command with "
        f"--request-id {run_id} to go on without applying it twice"
    )


def _put_locations(target: Target, run_id: str, locations: Sequence[Location]) -> None:
    created = replaced = 0
    for number, chunk in enumerate(location_chunks(locations)):
        result = target.put_locations(f"{run_id}.locations.{number}", chunk)
        created += result.created_count
        replaced += result.replaced_count
    typer.echo(f"locations: {created:,} created, {replaced:,} replaced")


def _import_stock(
    target: Target, run_id: str, mode: ImportMode, files: StockFiles
) -> None:
    changed = zeroed = 0
    with progress("importing", files.record_count) as advance:
        for number, chunk in enumerate(stock_chunks(files.on_hand, mode)):
            try:
                result = target.import_stock(f"{run_id}.stock.{number}", mode, chunk)
            except CallFailed as error:
                raise CallFailed(*_named(error.lines, chunk)) from None
            changed += result.changed_count
            zeroed += result.zeroed_count
            advance(len(chunk))
    typer.echo(
        f"stock: {files.record_count:,} records read, {changed:,} changed, "
        f"{zeroed:,} set to zero"
    )


def _named(lines: Sequence[str], chunk: Sequence[StockChange]) -> list[str]:
    """Say which record is meant: its place in a request tells nobody anything."""

    def name(match: re.Match[str]) -> str:
        change = chunk[int(match[1])]
        return f"{change.sku} at {change.location_id}"

    return [_CHANGE.sub(name, line) for line in lines]
