"""`repartir feed`: what a marketplace is sent of a channel's offers."""

import enum
import os
import secrets
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from availability.feeds.files import _csv, _json, read_sent
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
from router.cli.console.exits import OK, SOME_FAILED, clean_exit, fail
from router.cli.offers.availability import checked_skus, chosen_files, no_channel
from router.cli.offers.from_files import Files, read_world
from router.cli.offers.from_server import CHUNK_SKUS
from router.cli.remote.access import Access
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
from router.rpc.codec.offers import (
    DECLARED,
    NET,
    NO_SUCH_SKU,
    NOT_COUNTED,
    UNKNOWN,
    decode_columns,
)


class FeedFormat(enum.Enum):
    """What is written."""

    CSV = "csv"
    JSON = "json"


class Sold(NamedTuple):
    """What is told of SKUs, and how many units of each are expected.

    One that nobody knows any more is not among them.
    """

    numbers: Iterable[Numbers]
    expected: Mapping[Sku, int]


def feed(
    channel: Annotated[str, typer.Option(help="the channel whose offers are sent")],
    skus: Annotated[
        list[str] | None,
        typer.Argument(metavar="SKU", help="all that are known if unset"),
    ] = None,
    server: ServerOption = None,
    database: DatabaseOption = None,
    network: Annotated[
        Path | None,
        typer.Option(help="from files, with --stock: TOML, as `repartir availability`"),
    ] = None,
    stock: Annotated[
        Path | None,
        typer.Option(help="with --network: CSV, as `repartir availability`"),
    ] = None,
    holds: Annotated[
        Path | None,
        typer.Option(help="with --network: CSV, as `repartir availability`"),
    ] = None,
    now: Annotated[
        str | None,
        typer.Option(
            help="with --network: the instant, like 2026-01-31T09:00:00Z; now if unset"
        ),
    ] = None,
    buffer: Annotated[
        int,
        typer.Option(
            min=0, max=MAX_STOCK_UNITS, help="units of each SKU that are kept back"
        ),
    ] = 0,
    since: Annotated[
        list[Path] | None,
        typer.Option(
            help="only what changed since this file (csv) was sent; give it again "
            "for each differential that was sent after it, in their order"
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="a file, which is written whole or stays as it is; stdout if unset"
        ),
    ] = None,
    format_: Annotated[
        FeedFormat, typer.Option("--format", help="json: one object a line, per SKU")
    ] = FeedFormat.CSV,
    ca: CaOption = None,
    certificate: CertificateOption = None,
    key: KeyOption = None,
    token: TokenOption = None,
    insecure_token: InsecureTokenOption = False,
) -> None:
    """Write what a marketplace is sent of a channel's offers.

    One row a SKU, sorted: all of them, or with --since those that changed.
    What is not known is not sent; what is gone is sent as 0.

    Exit status: 0, all was written; 1, the server refused or was lost, or the
    output cannot be written; 2, bad usage or bad files.
    """
    with clean_exit():
        wanted = checked_skus(skus or ())
        _check_output(output, since or ())
        with failures_told():
            files = chosen_files(network, stock, holds, now, server, database)
            sent = None if since is None else read_sent(since)
            if files is not None:
                rows = _rows(_from_files(files, channel, wanted), buffer)
            else:
                access = Access(
                    ca=ca,
                    certificate=certificate,
                    key=key,
                    token=token,
                    insecure_token=insecure_token,
                )
                source = "the server" if database is None else "the database"
                with open_target(server or DEFAULT_ADDRESS, database, access) as target:
                    rows = _rows(_served(target, channel, wanted, source), buffer)
        told = snapshot(rows) if sent is None else differential(_of(sent, wanted), rows)
        text = _csv(told) if format_ is FeedFormat.CSV else _json(told)
        if output is None:
            # The receiver's bytes, whatever the terminal's are.
            typer.echo(text.encode(), nl=False)
        else:
            _write_whole(output, text.encode())
            print(_summary(output, len(told), rows))
        raise typer.Exit(OK)


# --- What is sent -------------------------------------------------------------------


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


# --- What was sent ------------------------------------------------------------------


def _of(sent: Mapping[Sku, FeedRow], skus: Sequence[Sku]) -> Iterable[FeedRow]:
    """Return the rows that are compared: those of the SKUs that were asked for.

    The others are not gone: nobody asked.
    """
    return [sent[each] for each in skus if each in sent] if skus else sent.values()


# --- The file -----------------------------------------------------------------------


def _summary(output: Path, count: int, rows: Iterable[FeedRow]) -> str:
    silent = sum(each.quantity_on_hand is None for each in rows)
    text = f"{output}: {count:,} {'row' if count == 1 else 'rows'}"
    if silent:
        text += f"; {silent:,} {'SKU' if silent == 1 else 'SKUs'} without a number"
    return text


def _check_output(output: Path | None, since: Iterable[Path]) -> None:
    if output is None:
        return
    if output.exists() and not output.is_file():
        # A device or a pipe: renamed over, it would be one no more.
        raise fail(f"--output {output}: is not a file")
    if output.resolve() in [each.resolve() for each in since]:
        raise fail(
            f"--output {output}: is what --since compares with, and a differential"
            " has less in it: name another file"
        )


def _write_whole(path: Path, text: bytes) -> None:
    """Write a file whole, or leave it as it is, whenever this process ends."""
    # Where a link leads to, so that the link stays.
    target = path.resolve()
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        try:
            with draft.open("xb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileNotFoundError):
                draft.chmod(stat.S_IMODE(target.stat().st_mode))
            draft.replace(target)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        why = error.strerror or str(error)
        raise fail(f"--output {path}: {why}", status=SOME_FAILED) from None
