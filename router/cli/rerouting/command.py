"""`repartir reroute`: pending orders decided again, together, by a server."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from router.cli.console.exits import OK, SOME_FAILED, clean_exit, fail
from router.cli.console.formats import OutputFormat
from router.cli.console.whole_file import check_writable, write_whole
from router.cli.remote.access import Access
from router.cli.remote.client import connect
from router.cli.remote.defaults import DEFAULT_ADDRESS
from router.cli.remote.options import (
    CaOption,
    CertificateOption,
    InsecureTokenOption,
    KeyOption,
    ServerOption,
    TokenOption,
    failures_told,
)
from router.cli.reports.file import check_target, write_page
from router.cli.reports.terminal import render
from router.cli.rerouting import request
from router.cli.rerouting.dialogue import Told, converse
from router.cli.rerouting.request import State
from router.cli.rerouting.verify import print_verified
from router.cli.routing.policy_file import SUFFIX
from router.policies import PRESETS
from router.v1 import rerouting_pb2


def reroute(
    server: ServerOption = None,
    channel: Annotated[
        list[str] | None, typer.Option(help="only orders of this channel; repeat it")
    ] = None,
    location: Annotated[
        list[str] | None,
        typer.Option(help="only orders with open units at this location; repeat it"),
    ] = None,
    order: Annotated[
        list[str] | None, typer.Option(help="only this order; repeat it")
    ] = None,
    state: Annotated[
        list[State] | None,
        typer.Option(help="placed (if unset), held (carts), or both: repeat it"),
    ] = None,
    min_age: Annotated[
        str | None,
        typer.Option(help="only orders routed at least so long ago, like 2h"),
    ] = None,
    queued_only: Annotated[
        bool, typer.Option("--queued-only", help="only orders with units in a queue")
    ] = False,
    policy: Annotated[
        str | None,
        typer.Option(
            help=f"one of {', '.join(PRESETS)}, or FILE{SUFFIX} with a "
            "router.v1.RoutingPolicy; if unset each order is decided by its own"
        ),
    ] = None,
    min_gain: Annotated[
        str,
        typer.Option(help="shipments that moving an order must save at least, 0 to 10"),
    ] = "0",
    max_moves: Annotated[
        int | None, typer.Option(help="most orders that may move; all if unset")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="decides and reports, changes nothing")
    ] = False,
    solve_timeout: Annotated[
        str, typer.Option(help="most time for solving, 1s to 1h")
    ] = "60s",
    proof: Annotated[
        Path | None,
        typer.Option(
            help="write the problem, the plan and what proves it there (.json.gz), "
            "for --verify"
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="write a page with pictures there (HTML)")
    ] = None,
    format_: Annotated[
        OutputFormat, typer.Option("--format", help="json: the report as one object")
    ] = OutputFormat.TABLE,
    verify: Annotated[
        Path | None,
        typer.Option(help="check a file of --proof again, with no server"),
    ] = None,
    ca: CaOption = None,
    certificate: CertificateOption = None,
    key: KeyOption = None,
    token: TokenOption = None,
    insecure_token: InsecureTokenOption = False,
) -> None:
    """Decide pending orders again, together, for fewer shipments in all.

    Orders may exchange what they hold; none loses what it has before it has the
    new. Checkouts go on meanwhile. The first Ctrl-C takes the best so far, a second
    gives up. Needs a token with the scope admin, where the server asks for tokens.

    Exit status: 0, it is done, or --verify holds; 1, the server refused or was
    lost, a file could not be written, or --verify does not hold; 2, bad usage or
    bad files: nothing was done.
    """
    with clean_exit():
        if verify is not None:
            if any(each is not None for each in (server, policy, proof, report)):
                raise fail("--verify goes by itself, or with --format")
            print_verified(verify, as_json=format_ is OutputFormat.JSON)
            return
        asked = rerouting_pb2.Rerouting(
            selection=request.selection(
                channel or (),
                location or (),
                order or (),
                state or (),
                min_age,
                queued_only=queued_only,
            ),
            policy=request.policy_of(policy),
            min_gain_permille=request.gain_permille(min_gain),
            max_moves=request.moves(max_moves),
            validate_only=dry_run,
            solve_timeout=request.solve_timeout(solve_timeout),
            certificate=proof is not None,
        )
        inputs = (None if policy is None else Path(policy), certificate, key)
        if report is not None:
            check_target(report, inputs)
        if proof is not None:
            check_writable("--proof", proof, inputs)
            if report is not None and report.resolve() == proof.resolve():
                raise fail("--report and --proof are one file: name another")
        access = Access(
            ca=ca,
            certificate=certificate,
            key=key,
            token=token,
            insecure_token=insecure_token,
        )
        with failures_told(), connect(server or DEFAULT_ADDRESS, access) as client:
            told = converse(client, asked)
        raise typer.Exit(_show(told, proof, report, format_))


def _show(
    told: Told, proof: Path | None, report: Path | None, format_: OutputFormat
) -> int:
    """Write the files, print the report and return the exit status.

    What was done cannot be done again: a file that fails does not take the report
    with it.
    """
    status = OK
    if proof is not None:
        if told.proof:
            status |= _attempt(lambda: write_whole("--proof", proof, told.proof))
        else:
            why = "nothing was decided, or it is too long"
            typer.echo(f"repartir: {proof} is not written: {why}", err=True)
    if report is not None:
        status |= _attempt(lambda: write_page(told.report, report))
    if format_ is OutputFormat.JSON:
        print(told.report.to_json())
    else:
        render(told.report, Console(highlight=False))
    return status


def _attempt(write: Callable[[], None]) -> int:
    try:
        write()
    except typer.Exit:
        return SOME_FAILED
    return OK
