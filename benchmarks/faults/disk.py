"""A disk that fails and recovers: clients get the right error, and nothing is lost."""

import contextlib
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults.answers import Verdict
from benchmarks.faults.client import Job
from benchmarks.faults.cluster import Cluster
from benchmarks.faults.harness import leashed, serving
from benchmarks.faults.load import loading
from benchmarks.faults.scenario import (
    MIXED,
    PLENTY,
    SKUS,
    Probe,
    Say,
    conclude,
    jobs_of,
)
from benchmarks.faults.world import load, stock_of

ATTACH_SECONDS = 1.0
"""Time for strace to attach to every thread."""
CLEAN = ("UNAVAILABLE STORE_UNAVAILABLE", "DEADLINE_EXCEEDED")
"""Errors that a client may be given while the disk fails."""


@dataclass(frozen=True)
class Size:
    """How many clients, how often the disk fails, and for how long after it is met."""

    clients: int
    failures: int
    seconds: float


QUICK = Size(clients=2, failures=4, seconds=0.4)
FULL = Size(clients=8, failures=15, seconds=1.5)

INJECTIONS = (
    "fdatasync,fsync:error=EIO:when=20+7",
    "pwrite64:error=ENOSPC:when=50+31",
    "pwrite64:error=EIO:when=40+53",
)
"""strace's: after so many calls of a thread, and again after every so many."""

Failing = Callable[[int, random.Random], AbstractContextManager[object]]


def too_large(
    database: str, folder: Path, size: Size, seed: int = 0, say: Say = print
) -> Verdict:
    """Let the kernel refuse every write beyond a size (EFBIG), then allow it again."""
    say("RLIMIT_FSIZE: writes fail with EFBIG")
    return _run(database, folder, size, seed, say, _limited)


@contextlib.contextmanager
def _limited(pid: int, rng: random.Random) -> Iterator[None]:
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    limit = rng.choice((0, 4_096, 20_000, 60_000))
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def injected(
    injection: str,
    database: str,
    folder: Path,
    size: Size,
    cluster: Cluster | None = None,
    seed: int = 0,
    say: Say = print,
) -> Verdict:
    """Let strace answer system calls with errors; it has to be installed.

    Those of the server, or with ``cluster`` those of PostgreSQL, which then gives up
    and recovers; where it does not by itself, it is started again.
    """
    if shutil.which("strace") is None:
        raise SystemExit("strace is missing; on Debian: apt-get install strace")
    say(f"strace inject={injection}")
    calls = injection.partition(":")[0]

    @contextlib.contextmanager
    def failing(pid: int, _: random.Random) -> Iterator[None]:
        pids = [pid] if cluster is None else cluster.processes()
        command = ["strace", "-f", "-qq", "-o", "/dev/null"]
        command += [word for each in pids for word in ("-p", str(each))]
        command += ["-e", f"trace={calls}", "-e", f"inject={injection}"]
        tracer = subprocess.Popen(leashed(command))
        try:
            time.sleep(ATTACH_SECONDS)
            yield
        finally:
            # It lets go of the server, which goes on.
            tracer.send_signal(signal.SIGINT)
            tracer.wait()
            if cluster is not None:
                cluster.revive()

    return _run(database, folder, size, seed, say, failing)


def _run(
    database: str,
    folder: Path,
    size: Size,
    seed: int,
    say: Say,
    failing: Failing,
    clean: Sequence[str] = CLEAN,
) -> Verdict:
    rng = random.Random(f"disk/{seed}")
    stock = stock_of(3, SKUS, PLENTY)
    with serving(database, folder) as servers:
        (server,) = servers
        load(server.address, stock)
        at = [server.address]
        jobs = jobs_of(size.clients, at, MIXED, folder, seed, life=True)
        probing = Job("probe", tuple(at), MIXED, folder / "answers-probe", seed)
        with closing(Probe(probing)) as probe, loading(jobs) as clients:
            again = []
            for _ in range(size.failures):
                clients.answered()
                time.sleep(rng.uniform(0, size.seconds))
                with failing(server.pid, rng):
                    probe.fails()
                    time.sleep(size.seconds)
                began = time.monotonic()
                # The same process: it has to serve when the disk does.
                probe.serves()
                again.append(time.monotonic() - began)
            clients.end()
        say(f"{size.clients} clients, {size.failures} failures, seed {seed}")
        say(f"served again within {max(again):.2f} s of the disk")
        verdict = conclude(database, stock, [*jobs, probing], servers, say)
    other = [each for each in verdict.errors if each not in clean]
    verdict.claim("an error other than of the store", other)
    return verdict
