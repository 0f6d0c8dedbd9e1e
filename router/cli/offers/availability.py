"""`repartir availability`: what a channel can sell, and why."""

import itertools
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Annotated

import typer
from rich.console import Console

from availability.imports.fields import id_fault
from availability.model import MAX_STOCK_UNITS, Sku
from router.cli.console.exits import OK, SOME_FAILED, clean_exit, fail
from router.cli.console.formats import OutputFormat
from router.cli.console.option_groups import with_option_groups
from router.cli.offers.file_options import FileOptions
from router.cli.offers.from_files import offers_from_files
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
from router.cli.remote.open import Target
from router.cli.remote.options import TargetOptions, failures_printed
from router.cli.remote.requests import CHANNEL_NOT_FOUND

TABLE_ROWS = 1_000
"""Most rows of one table: a column is as wide as its widest cell, so that no row is
printed before all are known."""


@with_option_groups
def availability(
    files: FileOptions,
    target: TargetOptions,
    access: Access,
    channel: Annotated[str, typer.Option(metavar="ID", help="the channel that sells")],
    skus: Annotated[
        list[str] | None,
        typer.Argument(metavar="SKU", help="default: all known SKUs and kits"),
    ] = None,
    request: Annotated[
        int | None,
        typer.Option(
            metavar="UNITS",
            min=1,
            max=MAX_STOCK_UNITS,
            help="check whether this many units of each can be ordered",
        ),
    ] = None,
    bought: Annotated[
        int,
        typer.Option(
            metavar="UNITS",
            min=0,
            max=MAX_STOCK_UNITS,
            help="units the customer has already ordered within the purchase window",
        ),
    ] = 0,
    explain: Annotated[
        bool, typer.Option("--explain", help="show the steps that changed the number")
    ] = False,
    all_steps: Annotated[
        bool, typer.Option("--all-steps", help="show every step")
    ] = False,
    format_: Annotated[
        OutputFormat, typer.Option("--format", help="json: one object a line per SKU")
    ] = OutputFormat.TABLE,
) -> None:
    """Show what a channel can sell of each SKU.

    From a server or a database; or, with --network and --stock, from files.

    Exit status: 0, and all of --request can be ordered; 1, some of it cannot, or the
    server refused or was lost; 2, bad usage or bad files.
    """
    with clean_exit(), ExitStack() as stack:
        steps = explain or all_steps
        question = Question(channel, checked_skus(skus or ()), request, bought, steps)
        with failures_printed():
            views: Iterable[OfferView]
            chosen = files.files(target)
            if chosen is not None:
                views, source = offers_from_files(chosen, question), "the stock file"
            else:
                source = target.noun
                opened = stack.enter_context(target.open(access))
                views = _served(opened, question, source)
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


def _served(target: Target, question: Question, source: str) -> Iterator[OfferView]:
    try:
        yield from served_offers(target, question)
    except CallFailed as error:
        if error.reason != CHANNEL_NOT_FOUND:
            raise
        channels = target.setup().channels
        raise no_channel(question.channel_id, source, channels) from None


def no_channel(channel_id: str, source: str, channels: Iterable[str]) -> CallFailed:
    """Return what to raise if no channel has the id."""
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
        console.print(f"no SKUs: {source} has none and no kits")
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
