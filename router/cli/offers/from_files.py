"""Offers computed from files, with no server."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from availability.errors import BadFile
from availability.imports.balances_file import SkuSheet, read_holds, read_stock_sheet
from availability.imports.csv_rows import Faults
from availability.imports.network_file import NetworkFile, read_network_file
from availability.model import Network, Sku
from availability.offers.explain import explain_located
from availability.offers.explain_kit import Part, explain_kit
from availability.offers.inputs import MarketIndex, named_skus
from availability.offers.market import SkuStock
from availability.offers.offer import Offer
from router.cli.console.exits import fail
from router.cli.offers.view import OfferView, Question, offer_view


@dataclass(frozen=True, slots=True)
class Files:
    """Paths of a network and its stock, and the instant of the offers."""

    network: Path
    stock: Path
    now_seconds: int
    holds: Path | None = None


def offers_from_files(files: Files, question: Question) -> list[OfferView]:
    """Return offers computed from files, in the order of the question.

    If it names no SKUs: those of the stock file, then others of the network file.

    Raises
    ------
    BadFile
        A file has faults; those of all files are listed.
    """
    world = read_world(files, question.channel_id)
    named = named_skus(world.setup, question.channel_id)
    skus = question.skus or tuple(dict.fromkeys((*world.sheets, *named)))
    return [
        offer_view(world.offer(sku), question.request_units, question.bought_units)
        for sku in skus
    ]


def read_world(files: Files, channel_id: str) -> "FileOffers":
    """Return what the files offer one channel.

    Raises
    ------
    BadFile
        A file has faults; those of all files are listed.
    """
    read, sheets, queued = read_all(files)
    if channel_id not in read.setup.channels:
        known = ", ".join(read.setup.channels) or "no channel"
        raise fail(f"no channel {channel_id!r}: {files.network} has {known}")
    return FileOffers(read, sheets, queued, channel_id, files.now_seconds)


def read_all(
    files: Files,
) -> tuple[NetworkFile, dict[Sku, SkuSheet], dict[Sku, dict[str, int]]]:
    """Return the network, the stock, and units queued by SKU and channel.

    Raises
    ------
    BadFile
        A file has faults; those of all files are listed.
    """
    faults = Faults()
    read = None
    try:
        read = read_network_file(files.network)
    except BadFile as error:
        for each in error.violations:
            faults.add(each.path, each.reason, each.message)
    # With a bad network, good rows would look as if they named unknown things.
    locations = None if read is None else read.locations
    channels = None if read is None else read.setup.channels
    kits: Mapping[Sku, object] = {} if read is None else read.setup.kits
    sheets = read_stock_sheet(files.stock, locations, kits, files.now_seconds, faults)
    queued = {}
    if files.holds is not None:
        queued = read_holds(files.holds, channels, kits, faults)
    faults.raise_any()
    return read or NetworkFile(), sheets, queued


class FileOffers:
    """The offers of one channel, computed from files."""

    def __init__(
        self,
        read: NetworkFile,
        sheets: Mapping[Sku, SkuSheet],
        queued: Mapping[Sku, Mapping[str, int]],
        channel_id: str,
        now_seconds: int,
    ) -> None:
        self.setup = read.setup
        self.locations = read.locations
        self.sheets = sheets
        self._market = MarketIndex(Network.of(read.locations), read.setup)
        self._queued = queued
        self._channel_id = channel_id
        self._now_seconds = now_seconds
        self._parts: dict[Sku, Part] = {}

    def offer(self, sku: Sku) -> Offer:
        """Return the offer of a SKU, or of a kit."""
        kit = self.setup.kits.get(sku)
        if kit is None:
            return self._part(sku).offer
        settings = self.setup.book.resolve(self._channel_id, sku)
        parts = {each.sku: self._part(each.sku) for each in kit}
        return explain_kit(sku, kit, parts, settings)

    def _part(self, sku: Sku) -> Part:
        part = self._parts.get(sku)
        if part is None:
            market, stock = self._market.market, self._stock(sku)
            found = explain_located(market, stock, self._channel_id, self._now_seconds)
            part = self._parts[sku] = Part(*found)
        return part

    def _stock(self, sku: Sku) -> SkuStock:
        sheet = self.sheets.get(sku, SkuSheet())
        return SkuStock(
            sku,
            tuple(sheet.records.values()),
            frozenset(sheet.stale_ids),
            self._queued.get(sku, {}),
            tuple(self._market.allocations.get(sku, ())),
            tuple(self._market.supplies.get(sku, ())),
        )
