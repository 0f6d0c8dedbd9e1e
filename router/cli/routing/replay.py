"""`repartir replay`: past orders under other policies, side by side."""

import os
import stat
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.console import Console

from availability.errors import BadFile
from availability.imports.csv_rows import Faults
from router.cli.console.durations import duration_seconds
from router.cli.console.exits import SOME_FAILED, UNUSABLE, clean_exit, fail
from router.cli.console.formats import OutputFormat
from router.cli.console.progress import progress
from router.cli.reports.file import check_target, write_page
from router.cli.reports.terminal import render
from router.cli.routing.orders_file import OrderRow, read_orders
from router.cli.routing.policy_file import SUFFIX, NamedPolicy, read_policies
from router.cli.routing.replay_stock import ReplayStock, read_replay_stock
from router.cli.routing.route import BUG, STDIN, breaches_line
from router.errors import InvalidOrder, RouterError
from router.optimize.limits import SolveLimits
from router.policies import PRESETS
from router.replay import Replay, replay_limits, replay_report
from router.report.model import MAX_OUTCOMES
from router.report.tally import Tally

MAX_ORDERS = 10_000_000
"""Most orders of one replay: each takes about two hundred bytes of memory."""


def replay(
    orders: Annotated[
        Path, typer.Option(help="JSON lines, one router.v1.Order each, oldest first")
    ],
    stock: Annotated[
        Path,
        typer.Option(
            help="CSV: location, sku, on_hand; with --network also any of zone, "
            "withdrawn, allocated, held, safety_stock, status, as_of"
        ),
    ],
    policy: Annotated[
        list[str],
        typer.Option(
            metavar="NAME|FILE",
            help=f"{', '.join(PRESETS)}, or FILE{SUFFIX} with a "
            "router.v1.RoutingPolicy; repeat it to compare others with the first",
        ),
    ],
    locations: Annotated[
        Path | None, typer.Option(help="CSV, as in `repartir route`")
    ] = None,
    network: Annotated[
        Path | None,
        typer.Option(
            help="network file (TOML) instead of --locations; see docs/network-file.md"
        ),
    ] = None,
    now: Annotated[
        str | None,
        typer.Option(
            metavar="INSTANT",
            help="with --network: route all orders as of this instant, like "
            "2026-01-31T09:00:00Z",
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="write the report as a page (HTML)")
    ] = None,
    format_: Annotated[
        OutputFormat, typer.Option("--format", help="json: the report as one object")
    ] = OutputFormat.TABLE,
    solve_work: Annotated[
        str,
        typer.Option(
            metavar="DURATION",
            help="work limit for one order, 1ms to 30s: roughly time, but counted in "
            "solver steps, so that every machine finds the same plans",
        ),
    ] = "1s",
) -> None:
    """Route past orders under several policies and compare the results.

    Each policy starts from the same stock, and each order reduces it.

    Exit status: 0, all orders were replayed; 1, the report could not be written, or
    an internal error; 2, bad usage or bad files: nothing was done.
    """
    with clean_exit(), ExitStack() as stack:
        seconds = duration_seconds("--solve-work", solve_work, 0.001, 30.0)
        policies = read_policies(policy)
        if len(policies) > MAX_OUTCOMES:
            raise fail(f"--policy: at most {MAX_OUTCOMES}, got {len(policies)}")
        if report is not None:
            check_target(
                report, (orders, stock, locations, network, *map(Path, policy))
            )
        try:
            files = read_replay_stock(stock, locations, network, now)
        except BadFile as error:
            raise fail(*error.lines) from None
        run = _ReplayRun(orders, _open(orders, stack), files, replay_limits(seconds))
        tallies = [run.replay(each) for each in policies]
        result = replay_report(f"Replay of {run.count:,} orders", tallies)
        # The page first: once the table is printed, the page exists.
        if report is not None:
            write_page(result, report)
        if format_ is OutputFormat.JSON:
            print(result.to_json())
        else:
            render(result, Console(highlight=False))


class _Stopped(Exception):
    """The replay cannot go on; printed once the bar is gone."""

    def __init__(self, message: str, status: int) -> None:
        self.status = status
        super().__init__(message)


class _ReplayRun:
    """The orders of one file, once for each policy."""

    def __init__(
        self, path: Path, file: BinaryIO, files: ReplayStock, limits: SolveLimits
    ) -> None:
        self.count = 0
        self._path = path
        self._file = file
        self._files = files
        self._limits = limits
        self._state = self._look()

    def replay(self, policy: NamedPolicy) -> Tally:
        """Replay all orders under one policy; end the command on bad ones."""
        self._file.seek(0)
        run = Replay(
            policy.name,
            policy.policy,
            self._files.stock(),
            self._limits,
            self._files.now_seconds,
        )
        faults = Faults()
        line_of: dict[str, int] = {}
        try:
            with progress(f"replaying {policy.name}", self._state[0]) as advance:
                for row in read_orders(self._file):
                    reason = self._route(row, run, line_of)
                    if reason:
                        faults.add(f"{self._path}:{row.line}", "BAD_ORDER", reason)
                    advance(row.byte_count)
        except _Stopped as stopped:
            raise fail(str(stopped), status=stopped.status) from None
        if self._look() != self._state:
            raise fail(f"{self._path} changed while it was read")
        try:
            faults.raise_any()
        except BadFile as error:
            raise fail(*error.lines) from None
        if not line_of:
            raise fail(f"{self._path} has no orders")
        self.count = len(line_of)
        return run.tally

    def _route(self, row: OrderRow, run: Replay, line_of: dict[str, int]) -> str:
        """Route one order; return what is wrong with it, empty if nothing is."""
        order = row.order
        if order is None:
            return row.reason
        first = line_of.setdefault(order.order_id, row.line)
        if first != row.line:
            return f"order {order.order_id!r} is already on line {first}"
        if len(line_of) > MAX_ORDERS:
            raise _Stopped(
                f"{self._path} has more than {MAX_ORDERS:,} orders", UNUSABLE
            )
        try:
            run.route(order)
        except InvalidOrder as error:
            return breaches_line(error)
        except RouterError as error:
            message = f"{self._path}:{row.line}: {BUG}: {error}"
            raise _Stopped(message, SOME_FAILED) from None
        return ""

    def _look(self) -> tuple[int, int]:
        status = os.fstat(self._file.fileno())
        return status.st_size, status.st_mtime_ns


def _open(orders: Path, stack: ExitStack) -> BinaryIO:
    """Open the orders, which must be a file: they are read once per policy."""
    reason = "must be a file, which is read once for each policy"
    if str(orders) == STDIN:
        raise fail(f"--orders {STDIN}: {reason}")
    try:
        file = orders.open("rb")
    except OSError as error:
        raise fail(f"{orders}: cannot be read: {error.strerror}") from None
    stack.enter_context(file)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        raise fail(f"--orders {orders}: {reason}")
    return file
