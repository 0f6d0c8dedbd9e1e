"""The options of `repartir import` for locations and stock."""

import enum
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from availability.imports.stock_formats import StockFormat
from availability.model import ImportMode
from router.cli.console.exits import fail
from router.cli.importing.max_drop import DEFAULT_PERCENT, percent_permille

_option = partial(typer.Option, rich_help_panel="Locations and stock")


class Mode(enum.Enum):
    """The import modes; append and replace are the words of source items."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class StockOptions:
    """Files of locations and stock, and how the stock is applied."""

    locations: Annotated[
        Path | None,
        _option(
            help="CSV: location and any of rank, kind, latitude, longitude, active, "
            "origin, capacity_orders, capacity_units, lead_time_minutes. Replaces each "
            "location in the file"
        ),
    ] = None
    stock: Annotated[
        Path | None, _option(help="stock, in the format of --format; needs --mode")
    ] = None
    format_: Annotated[
        StockFormat | None,
        _option(
            "--format",
            help="csv (default): location, sku, on_hand and optionally "
            "zone, safety_stock; source-items: Adobe Commerce; stockstocks: EDI",
        ),
    ] = None
    mode: Annotated[
        Mode | None,
        _option(
            help="set, append: replace the listed quantities. snapshot, replace: also "
            "zero every unlisted SKU of the listed locations. delta: add. delete: "
            "remove the listed records"
        ),
    ] = None
    max_drop: Annotated[
        str | None,
        _option(
            metavar="PERCENT",
            help="refuse a snapshot that removes a larger share of the records or "
            f"units at its locations, 0 to 100; default {DEFAULT_PERCENT}",
        ),
    ] = None
    force: Annotated[
        bool, _option("--force", help="import a snapshot whatever it removes")
    ] = False

    @property
    def import_mode(self) -> ImportMode | None:
        """How the stock is applied, None without stock."""
        return _MODES[self.mode] if self.stock and self.mode else None

    def max_drop_permille(self) -> int:
        """Return the largest share a snapshot may remove; end the command if bad."""
        percent = DEFAULT_PERCENT if self.max_drop is None else self.max_drop
        return percent_permille("--max-drop", percent)

    def check(self, *, dry_run: bool) -> None:
        """End the command if the options do not fit together."""
        if self.stock is None and self.locations is None:
            raise fail(
                "nothing to import: give a network file, --stock, --locations or both"
            )
        if self.stock is not None and self.mode is None:
            modes = ", ".join(each.value for each in Mode)
            raise fail(f"--stock needs --mode: {modes}")
        if dry_run and (self.stock is None or self.locations is not None):
            raise fail("--dry-run is for --stock alone: import --locations before it")
        limited = self.max_drop is not None or self.force
        if limited and self.import_mode is not ImportMode.SNAPSHOT:
            raise fail("--max-drop and --force are for --mode snapshot only")
        self.max_drop_permille()
