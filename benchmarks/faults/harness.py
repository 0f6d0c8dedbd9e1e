"""Real servers as child processes, to be killed at any moment."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

READY = "repartir: serving on "
START_SECONDS = 60.0
STOP_SECONDS = 20.0
LEASH = Path(__file__).with_name("leash.py")
ROOT = Path(__file__).parents[2]
_numbers = itertools.count(1)
_ERRORS = ('"level": "error"', '"level": "critical"', "Traceback", "Fatal")
_ASKED_FOR = (
    "the store failed: ",
    "the store cannot be read",
    # What gRPC logs when the caller of an answer has gone.
    "ExecuteBatchError raised in core",
    "worker ended, starting it again",
)


def leashed(command: Sequence[str], user: str = "") -> list[str]:
    """Return a command that cannot outlive the thread that starts it."""
    return [sys.executable, "-I", "-S", str(LEASH), user, *command]


class Server:
    """`repartir serve`, in a process group of its own; start it from one thread.

    The port that was free at the first start stays the server's.
    """

    def __init__(
        self,
        database: str,
        folder: Path,
        *,
        options: Sequence[str] = (),
        module: str = "router.cli",
    ) -> None:
        self.database = database
        self.address = "127.0.0.1:0"
        self.start_seconds: list[float] = []
        """Processor time of each start, until it reported that it serves."""
        self.log = folder / f"server-{next(_numbers)}.log"
        self._options = tuple(options)
        self._module = module
        self._child: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        """The process that serves, or its supervisor if it has workers."""
        assert self._child is not None
        return self._child.pid

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def start(self) -> None:
        """Start, and return when it reports that it serves."""
        command = [
            *(sys.executable, "-m", self._module, "serve", "--pre-stop", "0s"),
            *("--listen", self.address, "--database", self.database),
            *("--log-level", "warning", "--log-format", "json", *self._options),
        ]
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                leashed(command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
                start_new_session=True,
            )
        self._child = child
        assert child.stdout is not None
        timer = threading.Timer(START_SECONDS, child.kill)
        timer.start()
        try:
            line = child.stdout.readline()
        finally:
            timer.cancel()
        if not line.startswith(READY):
            self.kill()
            log_lines = self.log.read_text(errors="replace").splitlines() or ["(empty)"]
            raise RuntimeError(f"the server did not start: {log_lines[-1]}")
        self.address = line.removeprefix(READY).partition(",")[0]
        fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
        self.start_seconds.append(ticks / os.sysconf("SC_CLK_TCK"))

    def kill(self) -> None:
        """End it and all its children as a power cut would."""
        child, self._child = self._child, None
        if child is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        if child.stdout is not None:
            child.stdout.close()

    def stop(self) -> int:
        """Let it drain; return its exit status, -9 if it did not end by itself."""
        if self._child is None:
            return 0
        self._child.terminate()
        try:
            status = self._child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            status = -signal.SIGKILL
        self.kill()
        return status

    def complaints(self) -> list[str]:
        """Return the log's lines that are errors, save those that were asked for."""
        with self.log.open(errors="replace") as lines:
            return [
                line.strip()[:2_000]
                for line in lines
                if any(each in line for each in _ERRORS)
                and not any(each in line for each in _ASKED_FOR)
            ]


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started and that have not ended."""
    return [
        int(x) for x in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    ]


@contextlib.contextmanager
def serving(
    database: str, folder: Path, *, count: int = 1, **more: Any
) -> Iterator[list[Server]]:
    """Run servers over one database; none is left, whatever happens."""
    servers = [Server(database, folder, **more) for _ in range(count)]
    try:
        for server in servers:
            server.start()
        yield servers
    finally:
        for server in servers:
            server.kill()
