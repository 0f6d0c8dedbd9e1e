"""The stock that a replay starts from, from files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from availability.imports.balances_file import SkuSheet
from availability.imports.network_file import NetworkFile
from availability.imports.on_hand_files import read_files
from availability.model import Location, Sku, StockRecord
from availability.setup.setup import NOTHING_SAID, Setup, places, settings_at
from router.cli.console.durations import instant_seconds
from router.cli.console.exits import fail
from router.cli.offers.from_files import Files, read_all
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
    now_seconds = NO_INSTANT if now is None else instant_seconds("--now", now)
    read, sheets, _ = read_all(Files(network, stock, now_seconds))
    if now is None and _depends_on_time(read):
        raise fail(
            f"{network} has pre-orders, expected receipts or stale_after_seconds: give "
            "--now, the instant of the orders"
        )
    return ReplayStock(read.locations, tuple(_records(sheets)), read.setup, now_seconds)


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
