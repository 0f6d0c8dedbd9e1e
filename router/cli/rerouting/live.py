"""Progress of a re-routing on standard error, if that is a terminal."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from router.report.words import gap_text
from router.v1 import rerouting_pb2

REFRESHES_PER_SECOND = 4
_BAR_COLUMNS = 24


class LiveProgress:
    """The latest progress, as it is drawn."""

    def __init__(self, print_line: Callable[[str], None]) -> None:
        self.print_line = print_line
        """Prints a line that stays on the screen."""
        self._began = time.monotonic()
        self._last = rerouting_pb2.RerouteProgress(phase="calling")

    def update(self, progress: rerouting_pb2.RerouteProgress) -> None:
        """Replace the progress."""
        self._last = progress

    def __rich__(self) -> RenderableType:
        """Return one to three lines."""
        last = self._last
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        head = Table.grid(padding=(0, 2))
        bar = ProgressBar(
            total=last.move_count or None,
            completed=last.applied_count,
            width=_BAR_COLUMNS,
            pulse=not last.move_count,
        )
        head.add_row(Text(last.phase), bar, Text(f"{minutes}:{seconds:02}"))
        lines = [line for line in (known_line(last), moves_line(last)) if line]
        return Group(head, *map(Text, lines))


def known_line(progress: rerouting_pb2.RerouteProgress) -> str:
    """Return the number of orders, and value, bound and gap once known."""
    parts = []
    if progress.order_count:
        parts.append(f"{progress.order_count:,} orders")
    if progress.HasField("value"):
        parts.append(f"value {progress.value:,}")
    if progress.HasField("bound"):
        parts.append(f"bound {progress.bound:,}")
        gap = gap_text(progress.value, progress.bound)
        if progress.HasField("value") and gap:
            parts.append(f"gap {gap}")
    return ", ".join(parts)


def moves_line(progress: rerouting_pb2.RerouteProgress) -> str:
    """Return moves and conflicts; empty while solving."""
    if not progress.move_count:
        return ""
    return (
        f"{progress.applied_count:,} of {progress.move_count:,} moves applied, "
        f"{progress.conflict_count:,} conflicts"
    )


@contextmanager
def live() -> Iterator[LiveProgress]:
    """Give the progress display; without a terminal it only prints lines."""
    console = Console(stderr=True, highlight=False)

    def print_line(line: str) -> None:
        console.print(Text(line), soft_wrap=True)

    shown = LiveProgress(print_line)
    if not sys.stderr.isatty():
        yield shown
        return
    # By default Rich redirects standard output to its own console: into the terminal
    # instead of the pipe.
    with Live(
        shown,
        console=console,
        refresh_per_second=REFRESHES_PER_SECOND,
        transient=True,
        redirect_stdout=False,
    ):
        yield shown
