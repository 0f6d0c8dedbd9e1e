"""A network file into a ledger: what it would change is shown, then done at once."""

import sys
from collections.abc import Sequence
from typing import Protocol

import typer
from rich.console import Console

from availability.imports.network_file import NetworkFile
from availability.model import Location
from availability.setup.setup import Setup, SetupChange, SetupResult
from router.cli.importing.network_diff import Difference, difference_view
from router.cli.remote.client import CallFailed


class NetworkTarget(Protocol):
    """Has a network, and takes changes of it; every method raises CallFailed."""

    def setup(self) -> Setup:
        """Return all that is said about selling."""
        ...

    def locations(self) -> Sequence[Location]:
        """Return all locations."""
        ...

    def put_setup(
        self, request_id: str, change: SetupChange, locations: Sequence[Location]
    ) -> SetupResult:
        """Apply a change and put locations, in one call, once for a request id."""
        ...


def import_network(
    target: NetworkTarget,
    read: NetworkFile,
    request_id: str,
    dry_run: bool,
    keep: bool,
) -> SetupResult | None:
    """Show what a file changes and, unless it is a dry run, apply it in one call.

    What the file does not name is removed, but for locations, or with ``keep``
    nothing. Where there is nothing to change, nothing is called: so a repeat of an
    import that went through does nothing.

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
        print("network: nothing was changed")
        return None
    how_to_go_on = (
        "all of it was changed, or nothing; repeat the command with "
        f"--request-id {request_id} to change it once"
    )
    try:
        result = target.put_setup(request_id, found.change, found.locations)
    except CallFailed as error:
        if error.lost:
            raise CallFailed(*error.lines, how_to_go_on, lost=True) from None
        raise
    except KeyboardInterrupt:
        typer.echo(f"repartir: {how_to_go_on}", err=True)
        raise
    # What was changed meanwhile to what the file says; what did not differ before is
    # not among it, and was told.
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
        # A line an item, for tools that compare lines.
        for line in found.lines:
            print(line.text().plain)
    print(found.summary())
