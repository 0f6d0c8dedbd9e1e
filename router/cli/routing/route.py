"""`repartir route`: orders and stock from files, one plan per line, no server."""

import os
import stat
import sys
from collections import defaultdict
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, BinaryIO, TextIO

import typer

from availability.errors import BadFile
from availability.imports.on_hand_files import StockFiles, read_files
from availability.memory_stock import MemoryStock
from availability.model import LocationId, Sku, StockRecord
from availability.reservations import Claim
from router.cli.console.durations import duration_seconds
from router.cli.console.exits import OK, SOME_FAILED, clean_exit, fail
from router.cli.console.progress import progress
from router.cli.console.whole_file import check_no_input
from router.cli.routing.orders_file import OrderRow, read_orders
from router.cli.routing.plan_json import plan_json
from router.errors import InvalidOrder, SolverError
from router.line_units import claims
from router.model import RoutingPolicy
from router.optimize.limits import SolveLimits
from router.pipeline import RouteOptions, Router
from router.policies import DEFAULT, PRESETS

STDIN = "-"
BUG = "internal error, please report it"
MAX_SHOWN = 5
"""Most violations shown of one order, on one line."""


def route(
    stock: Annotated[Path, typer.Option(help="CSV: location, sku, on_hand")],
    orders: Annotated[
        str, typer.Option(help="JSON lines, one router.v1.Order each; -: stdin")
    ],
    locations: Annotated[
        Path | None,
        typer.Option(
            help="CSV: location and any of rank, kind, latitude, longitude, active, "
            "origin, capacity_orders, capacity_units, lead_time_minutes; default: the "
            "locations of --stock, in order of appearance"
        ),
    ] = None,
    policy: Annotated[
        str, typer.Option(metavar="NAME", help=f"one of {', '.join(PRESETS)}")
    ] = DEFAULT,
    consume: Annotated[
        bool,
        typer.Option("--consume", help="each order reduces the stock of later orders"),
    ] = False,
    output: Annotated[
        Path | None, typer.Option(help="write plans to this file; default: stdout")
    ] = None,
    solve_timeout: Annotated[
        str,
        typer.Option(metavar="DURATION", help="time limit for one order, 1ms to 30s"),
    ] = "1s",
    counterfactuals: Annotated[
        bool, typer.Option("--counterfactuals", help="add the next best plan")
    ] = False,
) -> None:
    """Route orders from files and print one plan a line, as JSON.

    Exit status: 0, every order has a plan (PARTIAL and NONE are plans too); 1, some
    lines are not valid orders, listed on stderr; 2, bad usage or bad files: nothing
    was routed.
    """
    with clean_exit(), ExitStack() as stack:
        chosen = PRESETS.get(policy)
        if chosen is None:
            raise fail(f"no policy {policy!r}: choose one of {', '.join(PRESETS)}")
        seconds = duration_seconds("--solve-timeout", solve_timeout, 0.001, 30.0)
        options = RouteOptions(SolveLimits(wall_seconds=seconds), counterfactuals)
        try:
            files = read_files(stock, locations)
        except BadFile as error:
            raise fail(*error.lines) from None
        source, byte_count = _open_orders(orders, stack)
        target = _open_output(output, (stock, locations, Path(orders)), stack)
        # The writer of a pipe may wait for each plan.
        run = _RouteRun(files, chosen, options, consume=consume, flush=orders == STDIN)
        # Plans printed on a terminal are progress enough.
        bar_wanted = output is not None or not sys.stdout.isatty()
        name = "stdin" if orders == STDIN else orders
        bad_count = 0
        with progress("routing", byte_count, wanted=bar_wanted) as advance:
            for row in read_orders(source):
                reason = run.answer(row, target)
                if reason:
                    bad_count += 1
                    # Not typer.echo, which would garble the bar.
                    print(f"{name}:{row.line}: {reason}", file=sys.stderr)
                advance(row.byte_count)
        raise typer.Exit(SOME_FAILED if bad_count else OK)


class _RouteRun:
    """One pass over the orders with one stock."""

    def __init__(
        self,
        files: StockFiles,
        policy: RoutingPolicy,
        options: RouteOptions,
        *,
        consume: bool,
        flush: bool,
    ) -> None:
        records = (
            StockRecord(location, sku, units)
            for location, held in files.on_hand.items()
            for sku, units in held.items()
        )
        self._stock = MemoryStock(files.locations, records)
        self._router = Router(self._stock)
        self._policy = policy
        self._options = options
        self._consume = consume
        self._flush = flush
        self._line_of: dict[str, int] = {}

    def answer(self, row: OrderRow, target: TextIO) -> str:
        """Print the plan of one line, or return why it has none."""
        order = row.order
        if order is None:
            return row.reason
        if order.order_id in self._line_of:
            first = self._line_of[order.order_id]
            return f"order {order.order_id!r} already took its stock on line {first}"
        try:
            plan = self._router.evaluate(order, self._policy, self._options)
        except InvalidOrder as error:
            return breaches_line(error)
        except SolverError as error:
            # Other orders are other problems, and may be solved.
            return f"{BUG}: {error}"
        if self._consume and (taken := claims(order, plan.assignments)):
            self._stock.take(_by_place(taken))
            self._line_of[order.order_id] = row.line
        print(plan_json(plan), file=target, flush=self._flush)
        return ""


def _by_place(claims: Iterable[Claim]) -> list[Claim]:
    """Return one claim for each location and SKU, whatever the lines."""
    units: dict[tuple[LocationId, Sku], int] = defaultdict(int)
    for claim in claims:
        units[claim.location_id, claim.sku] += claim.quantity
    return [Claim(*place, quantity=count) for place, count in units.items()]


def breaches_line(error: InvalidOrder) -> str:
    """Return the first breaches of an order, on one line."""
    shown = [f"{each.path}: {each.message}" for each in error.violations[:MAX_SHOWN]]
    rest = len(error.violations) - len(shown)
    return "; ".join(shown) + (f"; and {rest} more" if rest else "")


def _open_orders(orders: str, stack: ExitStack) -> tuple[BinaryIO, int | None]:
    """Return the file and its size, None for a pipe."""
    if orders == STDIN:
        return sys.stdin.buffer, None
    try:
        source = Path(orders).open("rb")  # noqa: SIM115 (the stack closes it)
    except OSError as error:
        raise fail(f"{orders}: cannot be read: {error.strerror}") from None
    stack.enter_context(source)
    status = os.fstat(source.fileno())
    return source, status.st_size if stat.S_ISREG(status.st_mode) else None


def _open_output(
    output: Path | None, inputs: Iterable[Path | None], stack: ExitStack
) -> TextIO:
    if output is None:
        return sys.stdout
    check_no_input("--output", output, inputs)
    try:
        return stack.enter_context(output.open("w", encoding="utf-8"))
    except OSError as error:
        raise fail(f"--output {output}: cannot be written: {error.strerror}") from None
