"""`repartir audit`: compares every balance with the sum of its movements."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from availability.errors import StoreTooOld, StoreUnavailable
from availability.ledger.open import audit_url, without_secrets
from availability.reservations import AuditReport
from router.cli.console.exits import OK, SOME_FAILED, clean_exit, fail
from router.cli.remote.defaults import DEFAULT_DATABASE


def audit(
    database: Annotated[
        str, typer.Option(metavar="URL", help="the stock, as for `repartir serve`")
    ] = DEFAULT_DATABASE,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="correct drifted balances; no server may have an SQLite file open",
        ),
    ] = False,
) -> None:
    """Recompute every balance from its movements and list those that drifted.

    Exit status: 0, all balances are correct or repaired; 1, some are not; 2, the
    database cannot be opened.
    """
    with clean_exit():
        try:
            report = audit_url(database, repair)
        except (ValueError, StoreTooOld, StoreUnavailable) as error:
            shown = without_secrets(database)
            raise fail(f"--database {shown}: {error}") from None
        _show(report)
        wrong = any(not each.repaired for each in report.drifts)
        raise typer.Exit(SOME_FAILED if wrong else OK)


def _show(report: AuditReport) -> None:
    checked = (
        f"{report.stock_count:,} stock records, {report.reservation_count:,} "
        f"reservations, {report.movement_count:,} movements"
    )
    if not report.drifts:
        typer.echo(f"clean: {checked}")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("what", "balance"):
        table.add_column(name, overflow="fold")
    for name in ("is", "should be"):
        table.add_column(name, justify="right")
    table.add_column("")
    for each in report.drifts:
        table.add_row(
            Text(each.subject),  # ids are the merchant's: they are no markup
            each.balance,
            f"{each.found:,}",
            f"{each.expected:,}",
            "repaired" if each.repaired else "",
        )
    Console(highlight=False).print(table)
    left_out = report.drift_count - len(report.drifts)
    more = f" (and {left_out:,} more)" if left_out else ""
    typer.echo(f"{report.drift_count:,} drifted{more}: {checked}")
