"""`repartir import`: files into the stock, in requests safe to repeat."""

import enum
import re
import stat
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from availability.imports.csv_rows import Faults
from availability.imports.locations_file import read_locations
from availability.imports.network_file import read_network_file
from availability.imports.staging import Staging, open_staging
from availability.imports.stock_formats import StockFormat, read_stock
from availability.model import ImportMode, Location, StockChange
from router.cli.console.exits import SOME_FAILED, clean_exit, fail
from router.cli.console.progress import progress
from router.cli.importing.chunks import check_snapshot, location_chunks, stock_chunks
from router.cli.importing.max_drop import DEFAULT_PERCENT, Totals, percent_permille
from router.cli.importing.network import import_network
from router.cli.remote.access import Access
from router.cli.remote.client import CallFailed
from router.cli.remote.defaults import DEFAULT_ADDRESS
from router.cli.remote.options import (
    CaOption,
    CertificateOption,
    DatabaseOption,
    InsecureTokenOption,
    KeyOption,
    ServerOption,
    TokenOption,
    failures_told,
)
from router.cli.remote.targets import Target, open_target

_CHANGE = re.compile(r"^changes\[([0-9]{1,5})\]\.\w+")
_REQUEST_ID = re.compile(r"[!-~]{1,100}")


class Mode(enum.Enum):
    """The modes as they are said here; two have the words of source items, too."""

    SET = "set"
    SNAPSHOT = "snapshot"
    DELTA = "delta"
    DELETE = "delete"
    APPEND = "append"
    REPLACE = "replace"


_MODES = {
    Mode.SET: ImportMode.SET,
    Mode.SNAPSHOT: ImportMode.SNAPSHOT,
    Mode.DELTA: ImportMode.DELTA,
    Mode.DELETE: ImportMode.DELETE,
    Mode.APPEND: ImportMode.SET,
    Mode.REPLACE: ImportMode.SNAPSHOT,
}


def import_(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="a network file, TOML: locations, channels, settings, allocations, "
            "kits and expected receipts; see docs/network-file.md",
        ),
    ] = None,
    server: ServerOption = None,
    database: DatabaseOption = None,
    mode: Annotated[
        Mode | None,
        typer.Option(
            help="set or append: replaces the quantities named; snapshot or replace: "
            "and zeroes every other SKU of the locations named; delta: adds; delete: "
            "forgets the records named. Needed with --stock"
        ),
    ] = None,
    locations: Annotated[
        Path | None,
        typer.Option(
            help="CSV: location and any of rank,kind,latitude,longitude,active,origin,"
            "capacity_orders,capacity_units,lead_time_minutes; replaces each location "
            "it names"
        ),
    ] = None,
    stock: Annotated[
        Path | None, typer.Option(help="stock in the format that --format names")
    ] = None,
    stock_format: Annotated[
        StockFormat | None,
        typer.Option(
            "--format",
            help="of --stock; csv, the default: location,sku,on_hand and, if wanted, "
            "zone,safety_stock; source-items: Adobe Commerce's; stockstocks: the EDI "
            "file",
        ),
    ] = None,
    max_drop: Annotated[
        str | None,
        typer.Option(
            metavar="PERCENT",
            help="refuses a snapshot that takes away more of the records or of the "
            f"units at its locations, 0 to 100; {DEFAULT_PERCENT} if unset",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="imports a snapshot whatever it takes away")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="says what would be changed, changes nothing"),
    ] = False,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="keeps what the network file does not name"),
    ] = False,
    request_id: Annotated[
        str | None,
        typer.Option(
            help="goes on with an import that was interrupted: the id it said"
        ),
    ] = None,
    ca: CaOption = None,
    certificate: CertificateOption = None,
    key: KeyOption = None,
    token: TokenOption = None,
    insecure_token: InsecureTokenOption = False,
) -> None:
    """Import a network file; or locations, stock, or both.

    Of a network file it shows what is added (+), changed (~) and removed (-),
    and then does all of it at once.

    Nothing is sent before all files have been read and found free of faults, and
    no stock is changed before all of a snapshot was tried and takes away no more
    than it may. Exit status: 0, all is imported; 1, it takes away too much, or
    the server refused or was lost; 2, bad usage or bad files.
    """
    with clean_exit():
        if server is not None and database is not None:
            raise fail("give --server or --database, not both")
        of_stock = (stock, locations, mode, max_drop, stock_format)
        if file is not None and (force or any(each is not None for each in of_stock)):
            raise fail(
                "a network file is imported by itself: leave out --stock, --locations, "
                "--mode, --max-drop, --force and --format"
            )
        if file is None and keep:
            raise fail("--keep is for a network file only")
        if file is None and stock is None and locations is None:
            raise fail(
                "nothing to import: give a network file, or --stock, --locations or "
                "both"
            )
        if stock is not None and mode is None:
            raise fail(
                f"--stock needs --mode: {', '.join(each.value for each in Mode)}"
            )
        if dry_run and file is None and (stock is None or locations is not None):
            raise fail("--dry-run is for --stock alone: import --locations before it")
        chosen = None if mode is None or stock is None else _MODES[mode]
        if chosen is not ImportMode.SNAPSHOT and (max_drop is not None or force):
            raise fail("--max-drop and --force are for --mode snapshot only")
        try:
            percent = DEFAULT_PERCENT if max_drop is None else max_drop
            limit = percent_permille("--max-drop", percent)
        except ValueError as error:
            raise fail(str(error)) from None
        if request_id is not None and not _REQUEST_ID.fullmatch(request_id):
            raise fail(
                "--request-id must be 1 to 100 printable ASCII characters, no spaces"
            )
        access = Access(
            ca=ca,
            certificate=certificate,
            key=key,
            token=token,
            insecure_token=insecure_token,
        )
        run_id = request_id or str(uuid.uuid4())
        address = server or DEFAULT_ADDRESS
        hint: tuple[str, ...] = ()
        if file is not None and file.suffix.lower() == ".csv":
            hint = ("stock and locations are imported with --stock and --locations",)
        with failures_told(hint):
            if file is not None:
                # Before anything is opened: a database would be created.
                network = read_network_file(file)
                with open_target(address, database, access) as target:
                    import_network(target, network, run_id, dry_run, keep)
                return
            with open_staging() as staging:
                form = stock_format or StockFormat.CSV
                listed = _read(staging, locations, stock, form, chosen)
                with open_target(address, database, access) as target:
                    run = _ImportRun(target, run_id, staging)
                    run.send(listed, chosen, limit, force=force, dry_run=dry_run)


def _read(
    staging: Staging,
    locations: Path | None,
    stock: Path | None,
    stock_format: StockFormat,
    mode: ImportMode | None,
) -> Sequence[Location]:
    """Stage the stock and return the locations.

    Raises
    ------
    BadFile
        Either file has faults, those of both are listed; or a location's records
        are too many for a snapshot.
    """
    faults = Faults()
    listed = [] if locations is None else read_locations(locations, faults)
    if stock is not None and mode is not None:
        # Locations that only the stock file names are the server's to know; and bad
        # ones would make good stock rows look as if they named none.
        judged = locations is not None and not faults.count
        known = {each.location_id for each in listed} if judged else None
        with progress("reading", _byte_count(stock)) as advance:
            rows = read_stock(
                stock, stock_format, mode, faults, known=known, advance=advance
            )
            staging.take(rows, stock, faults)
    faults.raise_any()
    if mode is ImportMode.SNAPSHOT:
        check_snapshot(staging.weights())
    return listed


def _byte_count(path: Path) -> int | None:
    """Return a file's size; None when only the end will tell."""
    try:
        status = path.stat()
    except OSError:
        # Reading it will say why.
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


class _ImportRun:
    """One import into one target."""

    def __init__(self, target: Target, run_id: str, staging: Staging) -> None:
        self._target = target
        self._run_id = run_id
        self._staging = staging
        self._begun = False

    def send(
        self,
        locations: Sequence[Location],
        mode: ImportMode | None,
        limit: int,
        *,
        force: bool,
        dry_run: bool,
    ) -> None:
        """Send everything; a snapshot is tried before.

        ``limit`` is how much it may drop, in permille. Raises CallFailed, or Exit if
        it drops too much.
        """
        try:
            if locations:
                self._put_locations(locations)
            if mode is not None:
                if dry_run or mode is ImportMode.SNAPSHOT:
                    self._try(mode, limit, force=force, dry_run=dry_run)
                if not dry_run:
                    self._import_stock(mode)
        except CallFailed as error:
            raise CallFailed(*error.lines, *self._how_to_go_on()) from None
        except KeyboardInterrupt:
            for line in self._how_to_go_on():
                typer.echo(f"repartir: {line}", err=True)
            raise

    def _how_to_go_on(self) -> Sequence[str]:
        if not self._begun:
            return ()
        return (
            "what was sent before stays; repeat the command with "
            f"--request-id {self._run_id} to go on without applying it twice",
        )

    def _put_locations(self, locations: Sequence[Location]) -> None:
        created = replaced = 0
        self._begun = True
        for number, chunk in enumerate(location_chunks(locations)):
            request_id = f"{self._run_id}.locations.{number}"
            result = self._target.put_locations(request_id, chunk)
            created += result.created_count
            replaced += result.replaced_count
        typer.echo(f"locations: {created:,} created, {replaced:,} replaced")

    def _try(self, mode: ImportMode, limit: int, *, force: bool, dry_run: bool) -> None:
        totals = self._send_all(mode, dry_run=True)
        snapshot = mode is ImportMode.SNAPSHOT
        too_much = snapshot and totals.drops_more_than(limit)
        said = f"more than --max-drop {limit / 10:g} %"
        if dry_run:
            typer.echo(
                f"stock: {self._staging.record_count:,} records read, "
                f"{totals.changed_count:,} would change, "
                f"{totals.zeroed_count:,} would be set to zero"
            )
            if snapshot:
                needs = f": {said}, it needs --force" if too_much else ""
                typer.echo(f"the snapshot would take away {totals.drop}{needs}")
        elif too_much and not force:
            raise fail(
                f"the snapshot would take away {totals.drop}: {said}; no stock was "
                "changed; --force imports it all the same",
                status=SOME_FAILED,
            )

    def _import_stock(self, mode: ImportMode) -> None:
        self._begun = True
        totals = self._send_all(mode, dry_run=False)
        typer.echo(
            f"stock: {self._staging.record_count:,} records read, "
            f"{totals.changed_count:,} changed, {totals.zeroed_count:,} set to zero"
        )

    def _send_all(self, mode: ImportMode, *, dry_run: bool) -> Totals:
        totals = Totals()
        what = "checking" if dry_run else "importing"
        chunks = stock_chunks(self._staging.changes(), mode)
        with progress(what, self._staging.record_count) as advance:
            for number, chunk in enumerate(chunks):
                # Nothing is kept of a dry run, under any id.
                request_id = "" if dry_run else f"{self._run_id}.stock.{number}"
                try:
                    # No limit for one request: a small location may lose more than
                    # all of them together.
                    result = self._target.import_stock(
                        request_id, mode, chunk, dry_run=dry_run
                    )
                except CallFailed as error:
                    raise CallFailed(*_named(error.lines, chunk)) from None
                totals.add(result)
                advance(len(chunk))
        return totals


def _named(lines: Sequence[str], chunk: Sequence[StockChange]) -> list[str]:
    """Say which record is meant: its place in a request tells nobody anything."""

    def name(match: re.Match[str]) -> str:
        change = chunk[int(match[1])]
        return f"{change.sku} at {change.location_id}"

    return [_CHANGE.sub(name, line) for line in lines]
