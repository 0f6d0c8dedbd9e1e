"""A network file into a target: its changes are shown, then applied at once."""

import sys

import typer
from rich.console import Console

from availability.imports.network_file import NetworkFile
from availability.setup.setup import SetupResult
from router.cli.importing.network_diff import Difference, difference_view
from router.cli.remote.client import CallFailed
from router.cli.remote.open import Target


def import_network(
    target: Target,
    read: NetworkFile,
    request_id: str,
    dry_run: bool,
    keep: bool,
) -> SetupResult | None:
    """Show what a file changes and, unless it is a dry run, apply it in one call.

    What the file does not list is removed, except locations; with ``keep`` nothing
    is. Without changes there is no call, so repeating an import does nothing.

    Raises
    ------
    CallFailed
        The target refused or was lost.
    """
    found = difference_view(
        target.setup(), target.locations(), read.setup, read.locations, keep=keep
    )
    _print(found)
    if dry_run or found.empty:
        print("network: nothing changed")
        return None
    how_to_resume = (
        "either everything or nothing was changed; to be sure, repeat the command "
        f"with --request-id {request_id}"
    )
    try:
        result = target.put_setup(request_id, found.change, found.locations)
    except CallFailed as error:
        if error.lost:
            raise CallFailed(*error.lines, how_to_resume, lost=True) from None
        raise
    except KeyboardInterrupt:
        typer.echo(f"repartir: {how_to_resume}", err=True)
        raise
    # Items that another writer set to the file's values after the comparison; items
    # already equal at the comparison are in the summary.
    met = f", {result.unchanged_count:,} unchanged" if result.unchanged_count else ""
    print(
        f"network: {result.created_count:,} created, {result.replaced_count:,} "
        f"replaced, {result.removed_count:,} removed{met}"
    )
    return result


def _print(found: Difference) -> None:
    if sys.stdout.isatty():
        console = Console(highlight=False)
        for line in found.lines:
            console.print(line.text(), soft_wrap=True)
    else:
        # One line per item, for tools that compare lines.
        for line in found.lines:
            print(line.text().plain)
    print(found.summary())
