"""Locations and stock from files into a target, in requests safe to repeat."""

import re
import stat
from collections.abc import Sequence
from pathlib import Path

import typer

from availability.imports.csv_rows import Faults
from availability.imports.locations_file import read_locations
from availability.imports.staging import Staging, open_staging
from availability.imports.stock_formats import StockFormat, read_stock
from availability.model import ImportMode, Location, StockChange
from router.cli.console.exits import SOME_FAILED, fail
from router.cli.console.progress import progress
from router.cli.importing.chunks import check_snapshot, location_chunks, stock_chunks
from router.cli.importing.max_drop import Totals
from router.cli.importing.options import StockOptions
from router.cli.remote.access import Access
from router.cli.remote.client import CallFailed
from router.cli.remote.open import Target
from router.cli.remote.options import TargetOptions

_CHANGE = re.compile(r"^changes\[([0-9]{1,5})\]\.\w+")


def import_stock(
    options: StockOptions,
    target: TargetOptions,
    access: Access,
    run_id: str,
    *,
    dry_run: bool,
) -> None:
    """Read all files, then send them; nothing is sent if one has faults.

    Raises
    ------
    BadFile
        Files have faults; those of all files are listed.
    BadAccess, CallFailed
        The target could not be opened, refused, or was lost.
    """
    with open_staging() as staging:
        locations = _read(staging, options)
        with target.open(access) as opened:
            run = _ImportRun(opened, run_id, staging, options)
            run.send(locations, dry_run=dry_run)


def _read(staging: Staging, options: StockOptions) -> Sequence[Location]:
    """Stage the stock and return the locations.

    Raises
    ------
    BadFile
        Either file has faults, those of both are listed; or a location's records
        are too many for a snapshot.
    """
    faults = Faults()
    locations, stock, mode = options.locations, options.stock, options.import_mode
    listed = [] if locations is None else read_locations(locations, faults)
    if stock is not None and mode is not None:
        # Without a locations file the server knows the locations; with a bad one,
        # good stock rows would look as if they named none.
        judged = locations is not None and not faults.count
        known = {each.location_id for each in listed} if judged else None
        with progress("reading", _byte_count(stock)) as advance:
            form = options.format_ or StockFormat.CSV
            rows = read_stock(stock, form, mode, faults, known=known, advance=advance)
            staging.take(rows, stock, faults)
    faults.raise_any()
    if mode is ImportMode.SNAPSHOT:
        check_snapshot(staging.weights())
    return listed


def _byte_count(path: Path) -> int | None:
    """Return a file's size; None for a pipe."""
    try:
        status = path.stat()
    except OSError:
        return None  # reading it reports the error
    return status.st_size if stat.S_ISREG(status.st_mode) else None


class _ImportRun:
    """One import into one target."""

    def __init__(
        self, target: Target, run_id: str, staging: Staging, options: StockOptions
    ) -> None:
        self._options = options
        self._target = target
        self._run_id = run_id
        self._staging = staging
        self._begun = False

    def send(self, locations: Sequence[Location], *, dry_run: bool) -> None:
        """Send everything; a snapshot is tried first.

        Raises CallFailed, or Exit if the snapshot removes too much.
        """
        mode = self._options.import_mode
        try:
            if locations:
                self._put_locations(locations)
            if mode is not None:
                if dry_run or mode is ImportMode.SNAPSHOT:
                    self._try(mode, dry_run=dry_run)
                if not dry_run:
                    self._import_stock(mode)
        except CallFailed as error:
            raise CallFailed(*error.lines, *self._how_to_resume()) from None
        except KeyboardInterrupt:
            for line in self._how_to_resume():
                typer.echo(f"repartir: {line}", err=True)
            raise

    def _how_to_resume(self) -> Sequence[str]:
        if not self._begun:
            return ()
        return (
            "requests already sent are kept; to resume without applying them twice, "
            f"repeat the command with --request-id {self._run_id}",
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

    def _try(self, mode: ImportMode, *, dry_run: bool) -> None:
        limit = self._options.max_drop_permille()
        totals = self._send_all(mode, dry_run=True)
        snapshot = mode is ImportMode.SNAPSHOT
        too_much = snapshot and totals.drops_more_than(limit)
        excess = f"more than --max-drop {limit / 10:g} %"
        if dry_run:
            typer.echo(
                f"stock: {self._staging.record_count:,} records read, "
                f"{totals.changed_count:,} would change, "
                f"{totals.zeroed_count:,} would be set to zero"
            )
            if snapshot:
                needs = f": {excess}, it needs --force" if too_much else ""
                typer.echo(f"the snapshot would remove {totals.drop}{needs}")
        elif too_much and not self._options.force:
            raise fail(
                f"the snapshot would remove {totals.drop}: {excess}; no stock was "
                "changed; to import it, give --force",
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
                # A dry run is not stored, so it has no id.
                request_id = "" if dry_run else f"{self._run_id}.stock.{number}"
                try:
                    # The limit is on all requests together: one small location may
                    # exceed it alone.
                    result = self._target.import_stock(
                        request_id, mode, chunk, dry_run=dry_run
                    )
                except CallFailed as error:
                    raise CallFailed(*_named(error.lines, chunk)) from None
                totals.add(result)
                advance(len(chunk))
        return totals


def _named(lines: Sequence[str], chunk: Sequence[StockChange]) -> list[str]:
    """Name each record by SKU and location, not by its index in the request."""

    def name(match: re.Match[str]) -> str:
        change = chunk[int(match[1])]
        return f"{change.sku} at {change.location_id}"

    return [_CHANGE.sub(name, line) for line in lines]
