"""Several server processes on one port: `repartir serve --workers N`.

Each is started as a new process and never forked: gRPC does not survive a fork. The
kernel gives each of them some of the connections (SO_REUSEPORT), so a client that
keeps one connection keeps one worker. They share the PostgreSQL database and nothing
else.
"""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from router.rpc.transport.address import CannotListen

MAX_WORKERS = 64
"""Most processes on one port."""
START_SECONDS = 60.0
"""Longest wait until a worker is ready."""
RESTARTS = 5
RESTART_WINDOW_SECONDS = 60.0
"""If a worker ends more than `RESTARTS` times within this, all workers end and so does
this process, for its own supervisor to act on."""
RESTART_PAUSE_SECONDS = 0.2

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_log = logging.getLogger(__name__)


class WorkersFailed(Exception):
    """A worker did not start, or ended too often; ``status`` is its exit status."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


@contextlib.contextmanager
def reserved_port(address: str) -> Iterator[str]:
    """Reserve ``host:port`` for processes that share it; port 0 becomes a free one.

    Raises
    ------
    CannotListen
        The address is taken, malformed, or a socket file, which cannot be shared.
    """
    host, _, port = address.rpartition(":")
    if address.startswith("unix:") or not port.isdigit():
        raise CannotListen(address, "--workers needs host:port")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
        family, kind, protocol, _, at = found[0]
        kept = socket.socket(family, kind, protocol)
    except OSError as error:
        raise CannotListen(address, error.strerror or str(error)) from error
    with contextlib.closing(kept):
        try:
            # Bound but not listening, so it gets no connections.
            kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            kept.bind(at)
        except OSError as error:
            raise CannotListen(address, error.strerror or str(error)) from error
        yield f"{host}:{kept.getsockname()[1]}"


class Supervisor:
    """Keeps ``count`` workers running until a signal stops it.

    ``arguments`` are those of `repartir` for worker ``n``; the first line a worker
    prints starts with ``ready``. Its stdin is a pipe from this process: it stops
    when that closes, so no worker outlives this process, however it ends.
    """

    def __init__(
        self, arguments: Callable[[int], Sequence[str]], count: int, ready: str
    ) -> None:
        self._arguments = arguments
        self._count = count
        self._ready = ready.encode()
        self._running: dict[int, asyncio.subprocess.Process] = {}
        self._stopping = asyncio.Event()

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Run until SIGTERM or SIGINT; ``on_ready`` is called when all are ready.

        Raises
        ------
        WorkersFailed
            A worker did not start, or ended too often. The others have ended too.
        """
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._stop, number)
        started = [asyncio.Event() for _ in range(self._count)]
        try:
            async with asyncio.TaskGroup() as group:
                for n, event in enumerate(started):
                    group.create_task(self._keep(n, event))
                for event in started:
                    await event.wait()
                if not self._stopping.is_set():
                    on_ready()
        except* WorkersFailed as failures:
            raise failures.exceptions[0] from None
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)

    def _stop(self, number: int) -> None:
        """Pass a signal on; a second one hurries workers as it does a single server."""
        self._stopping.set()
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    async def _keep(self, n: int, started: asyncio.Event) -> None:
        """Keep one worker running."""
        ends: deque[float] = deque(maxlen=RESTARTS)
        while not self._stopping.is_set():
            status = await self._run_once(n, started)
            if self._stopping.is_set():
                break
            now = time.monotonic()
            if len(ends) == RESTARTS and now - ends[0] < RESTART_WINDOW_SECONDS:
                message = f"worker {n} ended {RESTARTS + 1} times in a minute"
                raise WorkersFailed(status or 1, message)
            ends.append(now)
            which = {"worker": n, "status": status}
            _log.error("worker ended, restarting", extra=which)
            await asyncio.sleep(RESTART_PAUSE_SECONDS)
        started.set()

    async def _run_once(self, n: int, started: asyncio.Event) -> int:
        """Run one worker to its end and return its exit status."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "router.cli", *self._arguments(n)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._running[n] = process
        try:
            if self._stopping.is_set():
                process.terminate()
            serves = False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(START_SECONDS):
                    if process.stdout is not None:
                        line = await process.stdout.readline()
                        serves = line.startswith(self._ready)
                    if not serves:
                        # Its output closes before it exits: a signal now could
                        # replace its exit status.
                        await process.wait()
            if serves:
                started.set()
            elif process.returncode is None and not self._stopping.is_set():
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            status = await process.wait()
            if not started.is_set() and not self._stopping.is_set():
                raise WorkersFailed(status, f"worker {n} did not start")
            return status
        finally:
            # Cancelled because another worker failed: stop this one as usual.
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
                await process.wait()
            del self._running[n]


async def end_of_input() -> None:
    """Wait until standard input closes, when the supervisor has ended."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await loop.connect_read_pipe(lambda: protocol, sys.stdin)
    while await reader.read(1):
        pass
