"""`repartir reroute`: a server decides open orders again, together."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from router.cli.console.exits import OK, SOME_FAILED, clean_exit, fail
from router.cli.console.formats import OutputFormat
from router.cli.console.option_groups import with_option_groups
from router.cli.console.whole_file import check_writable, write_whole
from router.cli.remote.access import Access
from router.cli.remote.client import connect
from router.cli.remote.defaults import DEFAULT_ADDRESS
from router.cli.remote.options import ServerOption, failures_printed
from router.cli.reports.file import check_target, write_page
from router.cli.reports.terminal import render
from router.cli.rerouting.dialogue import ReportWithProof, converse
from router.cli.rerouting.request import DecisionOptions, SelectionOptions
from router.cli.rerouting.verify import print_verified


@with_option_groups
def reroute(
    selection: SelectionOptions,
    decision: DecisionOptions,
    access: Access,
    server: ServerOption = None,
    proof: Annotated[
        Path | None,
        typer.Option(
            help="write the problem, the plan and its proof (.json.gz), for --verify"
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="write the report as a page (HTML)")
    ] = None,
    format_: Annotated[
        OutputFormat, typer.Option("--format", help="json: the report as one object")
    ] = OutputFormat.TABLE,
    verify: Annotated[
        Path | None,
        typer.Option(help="check a file written by --proof, without a server"),
    ] = None,
) -> None:
    """Decide open orders again, together, to save shipments.

    Orders may exchange stock; an order gives up what it holds only in exchange for
    its new plan. Checkouts continue meanwhile. The first Ctrl-C applies the best plan
    so far, a second aborts. If the server requires tokens, the scope is admin.

    Exit status: 0, done, or --verify holds; 1, the server refused or was lost, a file
    could not be written, or --verify does not hold; 2, bad usage or bad files:
    nothing was done.
    """
    with clean_exit():
        policy = decision.policy
        if verify is not None:
            if any(each is not None for each in (server, policy, proof, report)):
                raise fail("--verify takes no other option but --format")
            print_verified(verify, as_json=format_ is OutputFormat.JSON)
            return
        rerouting = decision.encode(selection, certificate=proof is not None)
        inputs = (
            None if policy is None else Path(policy),
            access.certificate,
            access.key,
        )
        if report is not None:
            check_target(report, inputs)
        if proof is not None:
            check_writable("--proof", proof, inputs)
            if report is not None and report.resolve() == proof.resolve():
                raise fail("--report and --proof name the same file")
        with (
            failures_printed(),
            connect(server or DEFAULT_ADDRESS, access) as client,
        ):
            result = converse(client, rerouting)
        raise typer.Exit(_show(result, proof, report, format_))


def _show(
    result: ReportWithProof,
    proof: Path | None,
    report: Path | None,
    format_: OutputFormat,
) -> int:
    """Write the files, print the report and return the exit status.

    The run cannot be repeated, so the report is printed even if a file fails.
    """
    status = OK
    if proof is not None:
        if result.proof:
            status |= _attempt(lambda: write_whole("--proof", proof, result.proof))
        else:
            why = "no order was decided, or the proof is too large"
            typer.echo(f"repartir: --proof {proof}: not written: {why}", err=True)
    if report is not None:
        status |= _attempt(lambda: write_page(result.report, report))
    if format_ is OutputFormat.JSON:
        print(result.report.to_json())
    else:
        render(result.report, Console(highlight=False))
    return status


def _attempt(write: Callable[[], None]) -> int:
    try:
        write()
    except typer.Exit:
        return SOME_FAILED
    return OK
