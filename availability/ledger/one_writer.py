"""One writer at a time: what the databases of both kinds ensure in a process."""

import contextlib
import threading
from collections.abc import Iterator

from availability.errors import StoreUnavailable

WRITER_SECONDS = 10.0
"""Longest wait for this process's other writes."""


class OneWriter:
    """A database that one thread writes at a time, until it is closed."""

    def __init__(self) -> None:
        # Re-entrant: in memory, a read within a write has only the writer.
        self._exclusive = threading.RLock()
        self._closed = False

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep this process's other writes out: memory follows a commit in step.

        Raises
        ------
        StoreUnavailable
            Other writes took more than `WRITER_SECONDS`, or the ledger is closed.
        """
        if not self._exclusive.acquire(timeout=WRITER_SECONDS):
            raise StoreUnavailable(f"other writes took over {WRITER_SECONDS:.0f} s")
        try:
            self._check_open()
            yield
        finally:
            self._exclusive.release()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the ledger is closed")
