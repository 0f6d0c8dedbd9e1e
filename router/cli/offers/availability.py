"""`repartir availability`: what a channel may be promised, and why."""

import itertools
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from availability.imports.fields import id_fault, instant_seconds
from availability.ledger.open import is_postgres, sqlite_path
from availability.model import MAX_STOCK_UNITS, Sku
from router.cli.console.exits import OK, SOME_FAILED, clean_exit, fail
from router.cli.console.formats import OutputFormat
from router.cli.offers.from_files import Files, offers_from_files
from router.cli.offers.from_server import served_offers
from router.cli.offers.table import (
    Signs,
    offers_table,
    requests_table,
    versions_line,
    waterfall_chart,
)
from router.cli.offers.view import OfferView, Question, offer_json
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
from router.cli.remote.targets import CHANNEL_NOT_FOUND, Target, open_target

TABLE_ROWS = 1_000
"""Most rows of one table: its columns are as wide as the widest of them, so that all
have to be there before the first is printed."""


def availability(
    channel: Annotated[str, typer.Option(help="the channel that asks")],
    skus: Annotated[
        list[str] | None,
        typer.Argument(metavar="SKU", help="all that are known and all kits if unset"),
    ] = None,
    server: ServerOption = None,
    database: DatabaseOption = None,
    network: Annotated[
        Path | None,
        typer.Option(
            help="from files, with --stock. TOML: locations, channels, settings, "
            "allocations, kits and expected receipts; see docs/network-file.md"
        ),
    ] = None,
    stock: Annotated[
        Path | None,
        typer.Option(
            help="with --network. CSV: location, sku, on_hand and any of zone, "
            "withdrawn, allocated, held, safety_stock, status, as_of"
        ),
    ] = None,
    holds: Annotated[
        Path | None,
        typer.Option(
            help="with --network. CSV: channel, sku, quantity; promised on a channel "
            "and not assigned to a location, added up, below 0 for what was taken back"
        ),
    ] = None,
    now: Annotated[
        str | None,
        typer.Option(
            help="with --network: the instant, like 2026-01-31T09:00:00Z; now if unset"
        ),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="show the steps that changed the number")
    ] = False,
    all_steps: Annotated[
        bool, typer.Option("--all-steps", help="show every step")
    ] = False,
    format_: Annotated[
        OutputFormat, typer.Option("--format", help="json: one object a line, per SKU")
    ] = OutputFormat.TABLE,
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
    ca: CaOption = None,
    certificate: CertificateOption = None,
    key: KeyOption = None,
    token: TokenOption = None,
    insecure_token: InsecureTokenOption = False,
) -> None:
    """Say what a channel may be promised of each SKU.

    As a server or a database has it; or, with --network and --stock, from
    files with no server.

    Exit status: 0, and all of --request may be ordered; 1, some of it may not,
    or the server refused or was lost; 2, bad usage or bad files.
    """
    with clean_exit(), ExitStack() as stack:
        steps = explain or all_steps
        asked = Question(channel, checked_skus(skus or ()), request, bought, steps)
        with failures_told():
            views: Iterable[OfferView]
            files = chosen_files(network, stock, holds, now, server, database)
            if files is not None:
                views, source = offers_from_files(files, asked), "the stock file"
            else:
                access = Access(
                    ca=ca,
                    certificate=certificate,
                    key=key,
                    token=token,
                    insecure_token=insecure_token,
                )
                source = "the server" if database is None else "the database"
                target = stack.enter_context(
                    open_target(server or DEFAULT_ADDRESS, database, access)
                )
                views = _served(target, asked, source)
            if format_ is OutputFormat.JSON:
                refused = _print_json(views, steps=steps)
            else:
                refused = _print_tables(views, source, steps, all_steps=all_steps)
        raise typer.Exit(SOME_FAILED if refused else OK)


def checked_skus(names: Iterable[str]) -> tuple[Sku, ...]:
    """Return the SKUs of a command line, each once."""
    for name in names:
        if fault := id_fault("SKU", name):
            raise fail(fault)
    return tuple(Sku(name) for name in dict.fromkeys(names))


def chosen_files(
    network: Path | None,
    stock: Path | None,
    holds: Path | None,
    now: str | None,
    server: str | None,
    database: str | None,
) -> Files | None:
    """Return the files that offers are to come from, None: a server or a database."""
    if any(each is not None for each in (network, stock, holds, now)):
        if server is not None or database is not None:
            raise fail(
                "--network, --stock, --holds and --now are for files: leave out"
                " --server and --database"
            )
        if network is None or stock is None:
            raise fail("offers from files need both --network and --stock")
        return Files(network, stock, _now_seconds(now), holds)
    if server is not None and database is not None:
        raise fail("give --server or --database, not both")
    _check_database(database)
    return None


def _now_seconds(text: str | None) -> int:
    seconds = int(time.time()) if text is None else instant_seconds(text)
    if seconds is None:
        raise fail(f"--now must be like 2026-01-31T09:00:00Z, got {text!r}")
    return seconds


def _check_database(database: str | None) -> None:
    """Refuse a file that is not there: to open it would be to create it."""
    if database is None or is_postgres(database):
        return
    # Who opens it says what is wrong with an address.
    with suppress(ValueError):
        path = sqlite_path(database)
        if path is not None and not path.exists():
            raise fail(
                f"--database {database}: there is no such file", status=SOME_FAILED
            )


def _served(target: Target, asked: Question, source: str) -> Iterator[OfferView]:
    try:
        yield from served_offers(target, asked)
    except CallFailed as error:
        if error.reason != CHANNEL_NOT_FOUND:
            raise
        channels = target.setup().channels
        raise no_channel(asked.channel_id, source, channels) from None


def no_channel(channel_id: str, source: str, channels: Iterable[str]) -> CallFailed:
    """Return what to raise where no channel has the id."""
    known = ", ".join(channels) or "no channel"
    return CallFailed(f"no channel {channel_id!r}: {source} has {known}")


def _print_json(views: Iterable[OfferView], *, steps: bool) -> bool:
    """Print offers and return whether a request was refused."""
    refused = False
    for view in views:
        print(offer_json(view, steps=steps))
        refused |= _is_refused(view)
    return refused


def _print_tables(
    views: Iterable[OfferView], source: str, steps: bool, *, all_steps: bool
) -> bool:
    """Print offers and return whether a request was refused."""
    console = Console(highlight=False)
    signs = Signs.of(console)
    rest = iter(views)
    refused = False
    versions: set[int] = set()
    page = list(itertools.islice(rest, TABLE_ROWS))
    if not page:
        console.print(f"no SKUs: {source} has none, and there are no kits")
    while page:
        console.print(offers_table(page, console.width, signs))
        for view in page if steps else ():
            chart = waterfall_chart(view, console.width, signs, all_steps=all_steps)
            console.print(chart)
        if any(each.request is not None for each in page):
            console.print(requests_table(page))
        refused |= any(map(_is_refused, page))
        versions.update(each.as_of for each in page)
        page = list(itertools.islice(rest, TABLE_ROWS))
    if line := versions_line(versions):
        console.print(line)
    return refused


def _is_refused(view: OfferView) -> bool:
    return view.request is not None and not view.request.passes
