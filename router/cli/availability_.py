"""`repartir availability`: what a channel may be promised, and why."""

import enum
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Protocol, TypeVar

import typer
from rich.console import Console

from availability.errors import BadFile
from availability.explain import explain, located_units
from availability.imports.csv_rows import Faults
from availability.imports.fields import id_fault
from availability.imports.network_file import NetworkFile, read_network_file
from availability.imports.stock_sheet import (
    SkuSheet,
    instant_seconds,
    read_holds,
    read_stock_sheet,
)
from availability.kit_offer import Part, explain_kit
from availability.market import Market, SkuStock
from availability.model import MAX_STOCK_UNITS, Network, Sku
from availability.offer import Offer
from router.cli.offers_table import (
    Signs,
    offers_table,
    requests_table,
    waterfall_chart,
)
from router.cli.offers_view import OfferView, offer_json, offer_view
from router.cli.quiet import OK, SOME_FAILED, fail, quietly


class Format(enum.Enum):
    """What is printed."""

    TABLE = "table"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: of which SKUs (none: of all), and for how many units of each."""

    channel_id: str
    skus: tuple[Sku, ...]
    now_seconds: int
    request_units: int | None = None
    bought_units: int = 0


@dataclass(frozen=True, slots=True)
class Files:
    """Where a network and its stock are."""

    network: Path
    stock: Path
    holds: Path | None = None


def availability(
    network: Annotated[
        Path,
        typer.Option(
            help="TOML: locations, channels, settings, allocations, kits and expected "
            "receipts; see docs/network-file.md"
        ),
    ],
    stock: Annotated[
        Path,
        typer.Option(
            help="CSV: location,sku,on_hand and any of zone,withdrawn,allocated,held,"
            "safety_stock,status,as_of"
        ),
    ],
    channel: Annotated[str, typer.Option(help="the channel that asks")],
    skus: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SKU]...", help="all of the stock file and all kits if unset"
        ),
    ] = None,
    holds: Annotated[
        Path | None,
        typer.Option(
            help="CSV: channel,sku,quantity; promised on a channel and not assigned to "
            "a location, added up, below 0 for what was taken back"
        ),
    ] = None,
    explain_: Annotated[
        bool, typer.Option("--explain", help="show the steps that changed the number")
    ] = False,
    all_steps: Annotated[
        bool, typer.Option("--all-steps", help="show every step")
    ] = False,
    format_: Annotated[
        Format, typer.Option("--format", help="json: one object a line, per SKU")
    ] = Format.TABLE,
    request: Annotated[
        int | None,
        typer.Option(
            min=1, max=MAX_STOCK_UNITS, help="may so many units of each be ordered?"
        ),
    ] = None,
    bought: Annotated[
        int,
        typer.Option(
            min=0,
            max=MAX_STOCK_UNITS,
            help="units that the customer has ordered within his window",
        ),
    ] = 0,
    now: Annotated[
        str | None,
        typer.Option(help="the instant, like 2026-01-31T09:00:00Z; now if unset"),
    ] = None,
) -> None:
    """Say what a channel may be promised of each SKU, from files, with no server.

    Exit status: 0, and all of --request may be ordered; 1, some of it may not; 2, bad
    usage or bad files.
    """
    with quietly():
        asked = Question(channel, _skus(skus or ()), _now_seconds(now), request, bought)
        try:
            views = offers_from_files(Files(network, stock, holds), asked)
        except BadFile as error:
            raise fail(*error.lines) from None
        if format_ is Format.JSON:
            for view in views:
                print(offer_json(view, steps=explain_ or all_steps))
        else:
            _print_tables(views, steps=explain_, all_steps=all_steps)
        refused = any(each.request and not each.request.passes for each in views)
        raise typer.Exit(SOME_FAILED if refused else OK)


def _skus(names: Iterable[str]) -> tuple[Sku, ...]:
    for name in names:
        if fault := id_fault("SKU", name):
            raise fail(fault)
    return tuple(Sku(name) for name in dict.fromkeys(names))


def _now_seconds(text: str | None) -> int:
    seconds = int(time.time()) if text is None else instant_seconds(text)
    if seconds is None:
        raise fail(f"--now must be like 2026-01-31T09:00:00Z, got {text!r}")
    return seconds


def _print_tables(views: list[OfferView], *, steps: bool, all_steps: bool) -> None:
    console = Console(highlight=False)
    signs = Signs.of(console)
    if not views:
        console.print("no SKUs: the stock file has none, and there are no kits")
        return
    console.print(offers_table(views, console.width, signs))
    for view in views if steps or all_steps else ():
        chart = waterfall_chart(view, console.width, signs, all_steps=all_steps)
        console.print(chart)
    if any(each.request is not None for each in views):
        console.print(requests_table(views))


def offers_from_files(files: Files, asked: Question) -> list[OfferView]:
    """Return the offers that files lead to, in the order asked.

    All of the stock file's SKUs and then all kits, where none was asked for.

    Raises
    ------
    BadFile
        A file has faults; those of all files are listed.
    """
    read, sheets, queued = _read(files, asked.now_seconds)
    setup = read.setup
    if asked.channel_id not in setup.channels:
        known = ", ".join(setup.channels) or "no channel"
        raise fail(f"no channel {asked.channel_id!r}: {files.network} has {known}")
    world = _World(read, sheets, queued, asked)
    skus = asked.skus or tuple(dict.fromkeys((*sheets, *setup.kits)))
    return [
        offer_view(world.offer(sku), asked.request_units, asked.bought_units)
        for sku in skus
    ]


def _read(
    files: Files, now_seconds: int
) -> tuple[NetworkFile, dict[Sku, SkuSheet], dict[Sku, dict[str, int]]]:
    faults = Faults()
    read = None
    try:
        read = read_network_file(files.network)
    except BadFile as error:
        for each in error.violations:
            faults.add(each.path, each.reason, each.message)
    # A bad network would make good rows look as if they named nothing.
    locations = None if read is None else read.locations
    channels = None if read is None else read.setup.channels
    kits: Mapping[Sku, object] = {} if read is None else read.setup.kits
    sheets = read_stock_sheet(files.stock, locations, kits, now_seconds, faults)
    queued = {}
    if files.holds is not None:
        queued = read_holds(files.holds, channels, kits, faults)
    faults.raise_any()
    return read or NetworkFile(), sheets, queued


class _World:
    """All that the files say, asked by one channel."""

    def __init__(
        self,
        read: NetworkFile,
        sheets: Mapping[Sku, SkuSheet],
        queued: Mapping[Sku, Mapping[str, int]],
        asked: Question,
    ) -> None:
        self._setup = read.setup
        channels = tuple(self._setup.channels.values())
        self._market = Market(Network.of(read.locations), channels, self._setup.book)
        self._sheets = sheets
        self._queued = queued
        self._asked = asked
        self._allocations = _by_sku(self._setup.allocations.values())
        self._supplies = _by_sku(self._setup.supplies.values())
        self._parts: dict[Sku, Part] = {}

    def offer(self, sku: Sku) -> Offer:
        """Return the offer of a SKU, or of a kit."""
        kit = self._setup.kits.get(sku)
        if kit is None:
            return self._part(sku).offer
        settings = self._market.book.resolve(self._asked.channel_id, sku)
        parts = {each.sku: self._part(each.sku) for each in kit}
        return explain_kit(sku, kit, parts, settings)

    def _part(self, sku: Sku) -> Part:
        part = self._parts.get(sku)
        if part is None:
            channel_id, stock = self._asked.channel_id, self._stock(sku)
            part = self._parts[sku] = Part(
                explain(self._market, stock, channel_id, self._asked.now_seconds),
                located_units(self._market, stock, channel_id),
            )
        return part

    def _stock(self, sku: Sku) -> SkuStock:
        sheet = self._sheets.get(sku, SkuSheet())
        return SkuStock(
            sku,
            tuple(sheet.records.values()),
            frozenset(sheet.stale_ids),
            self._queued.get(sku, {}),
            tuple(self._allocations.get(sku, ())),
            tuple(self._supplies.get(sku, ())),
        )


class _OfSku(Protocol):
    """What is said of one SKU."""

    @property
    def sku(self) -> Sku: ...


ItemT = TypeVar("ItemT", bound=_OfSku)


def _by_sku(items: Iterable[ItemT]) -> dict[Sku, list[ItemT]]:
    found: dict[Sku, list[ItemT]] = {}
    for each in items:
        found.setdefault(each.sku, []).append(each)
    return found
