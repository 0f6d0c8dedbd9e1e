"""`repartir feed`: a channel's offers as a marketplace takes them."""

import enum
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from availability.feeds.files import feed_csv, feed_json, read_sent
from availability.feeds.rows import (
    FeedRow,
    Numbers,
    differential,
    expected_units,
    snapshot,
)
from availability.model import MAX_STOCK_UNITS, Sku
from availability.offers.bulk.arrays import UNLIMITED
from availability.offers.inputs import named_skus
from router.cli.console.exits import OK, clean_exit, fail
from router.cli.console.option_groups import with_option_groups
from router.cli.console.whole_file import write_whole
from router.cli.offers.availability import checked_skus, no_channel
from router.cli.offers.file_options import FileOptions
from router.cli.offers.from_files import Files, read_world
from router.cli.offers.from_server import CHUNK_SKUS
from router.cli.remote.access import Access
from router.cli.remote.open import Target
from router.cli.remote.options import TargetOptions, failures_printed
from router.rpc.codec.offers import (
    DECLARED,
    NET,
    NO_SUCH_SKU,
    NOT_COUNTED,
    UNKNOWN,
    decode_columns,
)


class FeedFormat(enum.Enum):
    """How a feed is written."""

    CSV = "csv"
    JSON = "json"


class Sold(NamedTuple):
    """The numbers of SKUs, without unknown SKUs, and the units expected of each."""

    numbers: Iterable[Numbers]
    expected: Mapping[Sku, int]


@with_option_groups
def feed(
    files: FileOptions,
    target: TargetOptions,
    access: Access,
    channel: Annotated[
        str, typer.Option(metavar="ID", help="the channel whose offers are sent")
    ],
    skus: Annotated[
        list[str] | None, typer.Argument(metavar="SKU", help="default: all known SKUs")
    ] = None,
    buffer: Annotated[
        int,
        typer.Option(
            metavar="UNITS",
            min=0,
            max=MAX_STOCK_UNITS,
            help="units of each SKU to hold back",
        ),
    ] = 0,
    since: Annotated[
        list[Path] | None,
        typer.Option(
            help="write only what changed since this feed (csv); repeat it for each "
            "later differential, in order"
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="write to this file, whole or not at all; default: stdout"),
    ] = None,
    format_: Annotated[
        FeedFormat, typer.Option("--format", help="json: one object a line per SKU")
    ] = FeedFormat.CSV,
) -> None:
    """Write the feed of a channel's offers for a marketplace.

    One row per SKU, sorted: all of them, or with --since those that changed. A SKU
    whose stock is unknown is left out; a SKU no longer offered is sent as 0.

    Exit status: 0, written; 1, the server refused or was lost, or the output cannot
    be written; 2, bad usage or bad files.
    """
    with clean_exit():
        wanted = checked_skus(skus or ())
        _check_output(output, since or ())
        with failures_printed():
            chosen = files.files(target)
            sent = None if since is None else read_sent(since)
            if chosen is not None:
                rows = _rows(_from_files(chosen, channel, wanted), buffer)
            else:
                with target.open(access) as opened:
                    rows = _rows(_served(opened, channel, wanted, target.noun), buffer)
        due = snapshot(rows) if sent is None else differential(_of(sent, wanted), rows)
        text = feed_csv(due) if format_ is FeedFormat.CSV else feed_json(due)
        if output is None:
            # The receiver's bytes, whatever the terminal's encoding.
            typer.echo(text.encode(), nl=False)
        else:
            write_whole("--output", output, text.encode())
            print(_summary(output, len(due), rows))
        raise typer.Exit(OK)


def _rows(sold: Sold, buffer_units: int) -> list[FeedRow]:
    return [
        FeedRow.of((each,), sold.expected.get(each.sku, 0), buffer_units)
        for each in sold.numbers
    ]


def _from_files(files: Files, channel_id: str, skus: Sequence[Sku]) -> Sold:
    world = read_world(files, channel_id)
    setup = world.setup
    known = dict.fromkeys((*world.sheets, *named_skus(setup, channel_id)))
    found = [each for each in skus if each in known] if skus else list(known)
    return Sold(
        (Numbers.of(world.offer(each)) for each in found),
        expected_units(setup, world.locations, channel_id, files.now_seconds),
    )


def _served(target: Target, channel_id: str, skus: Sequence[Sku], source: str) -> Sold:
    setup = target.setup()
    if channel_id not in setup.channels:
        raise no_channel(channel_id, source, setup.channels)
    now_seconds = int(time.time())
    return Sold(
        _served_numbers(target, channel_id, skus),
        expected_units(setup, target.locations(), channel_id, now_seconds),
    )


def _served_numbers(
    target: Target, channel_id: str, skus: Sequence[Sku]
) -> Iterator[Numbers]:
    skus = skus or target.skus(channel_id)
    for start in range(0, len(skus), CHUNK_SKUS):
        chunk = skus[start : start + CHUNK_SKUS]
        rest = iter(chunk)
        for reply in target.offers(channel_id, chunk, (NET,)):
            rows = decode_columns(reply.columns)
            for quantity, flags, from_seconds, net in zip(
                rows.quantity_units.tolist(),
                rows.flags.tolist(),
                rows.from_seconds.tolist(),
                rows.net_units.tolist(),
                strict=True,
            ):
                sku = next(rest)
                if flags & NO_SUCH_SKU:
                    continue
                yield Numbers(
                    sku,
                    None if quantity == UNLIMITED else quantity,
                    None if flags & NOT_COUNTED else net,
                    not flags & UNKNOWN or bool(flags & DECLARED),
                    from_seconds or None,
                )


def _of(sent: Mapping[Sku, FeedRow], skus: Sequence[Sku]) -> Iterable[FeedRow]:
    """Return the rows to compare: of the requested SKUs, or of all."""
    return [sent[each] for each in skus if each in sent] if skus else sent.values()


def _summary(output: Path, count: int, rows: Iterable[FeedRow]) -> str:
    unnumbered = sum(each.quantity_on_hand is None for each in rows)
    text = f"{output}: {count:,} {'row' if count == 1 else 'rows'}"
    if unnumbered:
        noun = "SKU" if unnumbered == 1 else "SKUs"
        text += f"; {unnumbered:,} {noun} without a number"
    return text


def _check_output(output: Path | None, since: Iterable[Path]) -> None:
    if output is None:
        return
    if output.exists() and not output.is_file():
        raise fail(f"--output {output}: is not a file")
    if output.resolve() in [each.resolve() for each in since]:
        raise fail(f"--output {output} is an input too (--since): name another file")
