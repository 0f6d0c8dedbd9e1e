"""The stock that a replay starts from, from files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from availability.errors import BadFile
from availability.imports.balances_file import SkuSheet, read_stock_sheet
from availability.imports.csv_rows import Faults
from availability.imports.fields import instant_seconds
from availability.imports.network_file import NetworkFile, read_network_file
from availability.imports.on_hand_files import read_files
from availability.model import Location, Sku, StockRecord
from availability.setup.setup import NOTHING_SAID, Setup, places, settings_at
from router.cli.console.exits import fail
from router.replay import PassingStock

NO_INSTANT = 1
"""The instant if nothing in the files depends on one."""


@dataclass(frozen=True, slots=True)
class ReplayStock:
    """Locations, records and a setup, from which each policy gets its own stock."""

    locations: tuple[Location, ...]
    records: tuple[StockRecord, ...]
    setup: Setup
    now_seconds: int

    def stock(self) -> PassingStock:
        """Return a stock in its initial state."""
        return PassingStock(self.locations, self.records, self.setup)


def read_replay_stock(
    stock: Path, locations: Path | None, network: Path | None, now: str | None
) -> ReplayStock:
    """Read a stock file with a locations file, or with a network file.

    Raises
    ------
    BadFile
        A file has faults; those of all files are listed.
    """
    if network is None:
        if now is not None:
            raise fail("--now needs --network")
        files = read_files(stock, locations)
        records = tuple(
            StockRecord(location, sku, units)
            for location, held in files.on_hand.items()
            for sku, units in held.items()
        )
        return ReplayStock(files.locations, records, NOTHING_SAID, NO_INSTANT)
    if locations is not None:
        raise fail("give --locations or --network, not both")
    instant = None if now is None else instant_seconds(now)
    if now is not None and instant is None:
        raise fail(f"--now must be like 2026-01-31T09:00:00Z, got {now!r}")
    now_seconds = instant or NO_INSTANT
    read, sheets = _read(network, stock, now_seconds)
    if now is None and _depends_on_time(read):
        raise fail(
            f"{network} has pre-orders, expected receipts or stale_after_seconds: give "
            "--now, the instant of the orders"
        )
    return ReplayStock(read.locations, tuple(_records(sheets)), read.setup, now_seconds)


def _read(
    network: Path, stock: Path, now_seconds: int
) -> tuple[NetworkFile, dict[Sku, SkuSheet]]:
    faults = Faults()
    read = NetworkFile()
    bad_network = False
    try:
        read = read_network_file(network)
    except BadFile as error:
        bad_network = True
        for each in error.violations:
            faults.add(each.path, each.reason, each.message)
    # With a bad network, good rows would look as if they named unknown things.
    known = None if bad_network else read.locations
    sheets = read_stock_sheet(stock, known, read.setup.kits, now_seconds, faults)
    faults.raise_any()
    return read, sheets


def _records(sheets: Mapping[Sku, SkuSheet]) -> Iterator[StockRecord]:
    for sheet in sheets.values():
        yield from sheet.records.values()


def _depends_on_time(read: NetworkFile) -> bool:
    book = read.setup.book
    settings = [settings_at(book, place) for place in places(book)]
    return bool(
        read.setup.supplies
        or any(each.stale_after_seconds for each in read.locations)
        or any(each is not None and each.preorders for each in settings)
    )
