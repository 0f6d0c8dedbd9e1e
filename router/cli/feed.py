"""`repartir feed`: what a marketplace is sent of a channel's offers."""

import csv
import datetime
import enum
import io
import json
import os
import secrets
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from availability.arrays import UNLIMITED
from availability.feeds import (
    SHORT_UNITS,
    Declared,
    FeedRow,
    Numbers,
    differential,
    expected_units,
    snapshot,
)
from availability.imports.csv_rows import Faults, read_rows
from availability.imports.fields import id_fault, whole_number_fault
from availability.imports.stock_sheet import instant_seconds
from availability.model import MAX_STOCK_UNITS, Sku
from availability.offering import named_skus
from router.cli.access import Access
from router.cli.availability_ import checked_skus, chosen_files, no_channel
from router.cli.offers_files import Files, read_world
from router.cli.offers_served import CHUNK_SKUS
from router.cli.quiet import OK, SOME_FAILED, fail, quietly
from router.cli.serve import DEFAULT_ADDRESS
from router.cli.server_options import (
    CaOption,
    CertificateOption,
    DatabaseOption,
    InsecureTokenOption,
    KeyOption,
    ServerOption,
    TokenOption,
    failures_told,
)
from router.cli.targets import Target, open_target
from router.rpc.codec.offers import (
    NET,
    NO_SUCH_SKU,
    NOT_COUNTED,
    UNKNOWN,
    decode_columns,
)

COLUMNS = (
    "sku",
    "quantity_on_hand",
    "quantity_backordered",
    "quantity_on_order",
    "next_available",
)
MOST_UNITS = 10**15 - 1
"""The largest number of a feed that is read: many locations have more than one may."""


class Format(enum.Enum):
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
        Format, typer.Option("--format", help="json: one object a line, per SKU")
    ] = Format.CSV,
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
    with quietly():
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
        text = _csv(told) if format_ is Format.CSV else _json(told)
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
    declared = Declared(setup, channel_id)
    now_seconds = int(time.time())
    return Sold(
        _served_numbers(target, channel_id, skus, declared),
        expected_units(setup, target.locations(), channel_id, now_seconds),
    )


def _served_numbers(
    target: Target, channel_id: str, skus: Sequence[Sku], declared: Declared
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
                known, counted = not flags & UNKNOWN, not flags & NOT_COUNTED
                yield Numbers(
                    sku,
                    None if quantity == UNLIMITED else quantity,
                    net if counted else None,
                    declared.stands(sku, known=known, counted=counted),
                    from_seconds or None,
                )


# --- What was sent ------------------------------------------------------------------


def read_sent(paths: Iterable[Path]) -> dict[Sku, FeedRow]:
    """Return what a receiver has after files that were sent to it in this order.

    Raises
    ------
    BadFile
        A file is none of this command's: every fault, as ``file:line: message``.
    """
    faults = Faults()
    sent: dict[Sku, FeedRow] = {}
    for path in paths:
        sent |= _read_feed(path, faults)
    faults.raise_any()
    return sent


def _read_feed(path: Path, faults: Faults) -> dict[Sku, FeedRow]:
    found: dict[Sku, FeedRow] = {}
    first: dict[str, int] = {}
    for line, (sku, *cells, _) in read_rows(path, COLUMNS, (), faults):
        reasons = [("BAD_ID", id_fault("sku", sku))]
        for name, text in zip(COLUMNS[1:4], cells, strict=False):
            least = SHORT_UNITS if name == "quantity_on_hand" else 0
            fault = whole_number_fault(name, text, least, MOST_UNITS)
            reasons.append(("BAD_QUANTITY", fault))
        seconds = instant_seconds(cells[3])
        if cells[3] and seconds is None:
            message = (
                "next_available must be a date, a time and its offset, like "
                f"2026-01-31T09:00:00Z, got {cells[3][:80]!r}"
            )
            reasons.append(("BAD_INSTANT", message))
        if sku in first:
            message = f"{sku!r} is on line {first[sku]} already"
            reasons.append(("DUPLICATE_RECORD", message))
        first.setdefault(sku, line)
        wrong = [(reason, message) for reason, message in reasons if message]
        for reason, message in wrong:
            faults.add(f"{path}:{line}", reason, message)
        if not wrong:
            on_hand, backordered, on_order = map(int, cells[:3])
            found[Sku(sku)] = FeedRow(Sku(sku), on_hand, backordered, on_order, seconds)
    return found


def _of(sent: Mapping[Sku, FeedRow], skus: Sequence[Sku]) -> Iterable[FeedRow]:
    """Return the rows that are compared: those of the SKUs that were asked for.

    The others are not gone: nobody asked.
    """
    return [sent[each] for each in skus if each in sent] if skus else sent.values()


# --- The file -----------------------------------------------------------------------


def _csv(rows: Iterable[FeedRow]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_cells(each) for each in rows)
    return text.getvalue()


def _json(rows: Iterable[FeedRow]) -> str:
    lines = (dict(zip(COLUMNS, _cells(each), strict=True)) for each in rows)
    return "".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in lines)


def _cells(row: FeedRow) -> tuple[object, ...]:
    return (
        row.sku,
        row.quantity_on_hand,
        row.quantity_backordered,
        row.quantity_on_order,
        _instant(row.next_available_seconds),
    )


def _instant(seconds: int | None) -> str | None:
    if seconds is None:
        return None
    instant = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return instant.isoformat().removesuffix("+00:00") + "Z"


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
