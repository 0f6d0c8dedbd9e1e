"""Exit statuses, and ending a command without a traceback."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

OK = 0
SOME_FAILED = 1
UNUSABLE = 2
"""Bad usage or bad files: nothing was done."""


def fail(*lines: str, status: int = UNUSABLE) -> typer.Exit:
    """Print errors, one line each, and return what to raise."""
    for line in lines:
        typer.echo(f"repartir: {line}", err=True)
    return typer.Exit(status)


@contextmanager
def clean_exit() -> Iterator[None]:
    """End as a shell expects on Ctrl-C and when the reader of a pipe is gone."""
    try:
        yield
        sys.stdout.flush()
    except KeyboardInterrupt:
        raise typer.Exit(128 + signal.SIGINT) from None
    except BrokenPipeError:
        # Python would flush the rest of the buffer at exit, fail, and print it.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        raise typer.Exit(128 + signal.SIGPIPE) from None
    except OSError as error:
        # A full disk, most likely.
        raise fail(error.strerror or str(error), status=SOME_FAILED) from None
