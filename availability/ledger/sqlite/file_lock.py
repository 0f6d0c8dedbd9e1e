"""One process, one ledger: a lock that a killed process can not leave behind."""

import fcntl
import os
import threading
from pathlib import Path

from availability.errors import StoreUnavailable

_held: set[str] = set()
_guard = threading.Lock()


class FileLock:
    """An exclusive lock on ``path`` (resolved), a file of its own next to the database.

    It is a POSIX record lock: the kernel drops it when the process ends, however
    it ends, and a forked child does not inherit it. Such locks do not tell the
    ledgers of one process apart, so the paths held here are remembered as well.
    The file stays: to remove it would let two processes lock two files.

    Raises
    ------
    StoreUnavailable
        Another process, or another ledger of this one, holds it.
    """

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        with _guard:
            # Before the file is touched: closing any descriptor of it would drop
            # the lock that this process holds.
            if self._path in _held:
                raise StoreUnavailable(f"{path} is locked by this very process")
            try:
                self._descriptor = _locked(path)
            except OSError as error:
                raise StoreUnavailable(f"{path} can not be locked: {error}") from error
            _held.add(self._path)

    def release(self) -> None:
        """Let another process in."""
        with _guard:
            _held.discard(self._path)
            os.close(self._descriptor)


def _locked(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
    except (BlockingIOError, PermissionError) as error:
        holder = os.read(descriptor, 20).decode(errors="replace")
        os.close(descriptor)
        raise StoreUnavailable(
            f"{path.name} is held by process {holder or '(unknown)'}: "
            "a ledger has one process at a time"
        ) from error
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
