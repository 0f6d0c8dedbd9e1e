"""A temporary server: a child process that does not outlive this one."""

import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from router.cli.remote.client import CallFailed
from router.cli.serving.serve import READY

START_SECONDS = 30.0
STOP_SECONDS = 5.0


@contextmanager
def running_server() -> Iterator[str]:
    """Run `repartir serve` in a temporary folder and give its address.

    It listens on a free port and keeps its stock in SQLite. Both are removed when
    this process ends, except by SIGKILL.

    Raises
    ------
    CallFailed
        The server did not start.
    """
    with _terminable(), tempfile.TemporaryDirectory(prefix="repartir-") as folder:
        log = Path(folder, "log")
        with log.open("wb") as stderr:
            child = subprocess.Popen(  # noqa: S603 (this interpreter and module)
                [
                    *(sys.executable, "-m", "router.cli", "serve"),
                    *("--listen", "127.0.0.1:0", "--pre-stop", "0s"),
                    *("--database", f"sqlite:///{folder}/demo.db"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        with child:
            try:
                yield _address(child, log)
            finally:
                _stop(child)


def _address(child: "subprocess.Popen[str]", log: Path) -> str:
    """Wait for the line with its address."""
    # If killed, it closes its output, and the wait below ends with an empty line.
    timer = threading.Timer(START_SECONDS, child.kill)
    timer.start()
    try:
        line = child.stdout.readline() if child.stdout else ""
    finally:
        timer.cancel()
    if not line.startswith(READY):
        lines = log.read_text(errors="replace").splitlines() or ["it logged nothing"]
        raise CallFailed(f"the server did not start: {lines[-1]}")
    return line.removeprefix(READY).partition(",")[0]


def _stop(child: "subprocess.Popen[str]") -> None:
    child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()


@contextmanager
def _terminable() -> Iterator[None]:
    """Clean up on SIGTERM and SIGHUP, which by default end a process at once."""

    def leave(number: int, frame: FrameType | None) -> None:
        del frame
        raise SystemExit(128 + number)

    before = [(n, signal.signal(n, leave)) for n in (signal.SIGTERM, signal.SIGHUP)]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
