"""A progress bar on standard error, if that is a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

Advance = Callable[[int], None]


@contextmanager
def progress(what: str, total: int | None, *, wanted: bool = True) -> Iterator[Advance]:
    """Give a function that advances the bar; without a terminal it does nothing.

    ``total`` is None if unknown.
    """
    if not (wanted and sys.stderr.isatty()):
        yield lambda _: None
        return
    # By default Rich redirects standard output to its own console: into the terminal
    # instead of the pipe.
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
    ) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)
