"""kill -9 of the server at random moments under load: nothing acknowledged is lost."""

import dataclasses
import itertools
import os
import random
import signal
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.faults.answers import Verdict
from benchmarks.faults.client import Job
from benchmarks.faults.cluster import Cluster
from benchmarks.faults.harness import Server, children_of, serving
from benchmarks.faults.load import loading
from benchmarks.faults.scenario import (
    MIXED,
    PLENTY,
    SKUS,
    Probe,
    Say,
    conclude,
    jobs_of,
    kind_of,
    serving_again,
)
from benchmarks.faults.world import load, stock_of

BARS_SECONDS = {"sqlite": 3.0, "postgresql": 10.0}
"""From the kill until an order is answered again."""

WORKERS = 3
AGAIN_SECONDS = 30.0
"""Longest wait until a worker that was killed is started again."""
MOST_WORKER_KILLS = 12
"""With more, the supervisor gives up, as it should."""

Blow = Callable[[Server, Probe], object]
"""Strikes a server; an outage lasts until the probe has met it."""


@dataclass(frozen=True)
class Size:
    """How many clients, how many kills, and the longest time between them."""

    clients: int
    kills: int
    most_seconds: float


QUICK = Size(clients=2, kills=3, most_seconds=0.5)
FULL = Size(clients=8, kills=25, most_seconds=2.0)


def kill_server(
    database: str, folder: Path, size: Size, seed: int = 0, say: Say = print
) -> Verdict:
    """Kill the server and start it again, while clients order, cancel and ship."""

    def again(server: Server, probe: Probe) -> None:
        server.kill()
        probe.fails()
        server.start()

    say(f"{size.kills} x kill -9 of the server")
    return strike(database, folder, size, seed, say, again)


def kill_worker(
    database: str, folder: Path, size: Size, seed: int = 0, say: Say = print
) -> Verdict:
    """Kill one of the workers on a port; the others go on and it is started again."""

    def one(server: Server, _: Probe) -> None:
        give_up = time.monotonic() + AGAIN_SECONDS
        while len(workers := children_of(server.pid)) < WORKERS:
            if time.monotonic() > give_up:
                raise RuntimeError("a worker was not started again")
            time.sleep(0.05)
        # The oldest, so that all take turns: one that ends too often in a minute is
        # not started again.
        os.kill(workers[0], signal.SIGKILL)

    size = dataclasses.replace(size, kills=min(size.kills, MOST_WORKER_KILLS))
    say(f"{size.kills} x kill -9 of one of {WORKERS} workers")
    options = ("--workers", str(WORKERS))
    return strike(database, folder, size, seed, say, one, options=options)


def kill_store(
    database: str,
    folder: Path,
    size: Size,
    cluster: Cluster,
    seed: int = 0,
    say: Say = print,
) -> Verdict:
    """Kill PostgreSQL under the server: one of its backends, or all of it."""
    rng = random.Random(f"store/{seed}")
    turns = itertools.cycle((True, False))

    def one(_: Server, probe: Probe) -> None:
        if next(turns):
            cluster.crash(probe.fails)
        else:
            cluster.kill_backend(rng)

    say(f"{size.kills} x kill -9 of PostgreSQL: all of it, a backend, in turn")
    return strike(database, folder, size, seed, say, one)


def strike(
    database: str,
    folder: Path,
    size: Size,
    seed: int,
    say: Say,
    blow: Blow,
    **server_options: Any,
) -> Verdict:
    """Strike a server under load again and again; time each until it serves again."""
    rng = random.Random(f"kill/{seed}")
    stock = stock_of(3, SKUS, PLENTY)
    seconds: list[float] = []
    with serving(database, folder, **server_options) as servers:
        (server,) = servers
        load(server.address, stock)
        at = [server.address]
        jobs = jobs_of(size.clients, at, MIXED, folder, seed, life=True)
        probing = Job("probe", tuple(at), MIXED, folder / "answers-probe", seed)
        with closing(Probe(probing)) as probe, loading(jobs) as clients:
            for _ in range(size.kills):
                clients.answered()
                time.sleep(rng.uniform(0, size.most_seconds))
                began = time.monotonic()
                blow(server, probe)
                probe.serves()
                seconds.append(time.monotonic() - began)
            clients.end()
        say(f"{size.clients} clients, seed {seed}")
        say(serving_again(seconds, BARS_SECONDS[kind_of(database)]))
        cpu = statistics.median(server.start_seconds)
        say(f"of this, a start of the server takes {cpu:.2f} s of processor time")
        return conclude(database, stock, [*jobs, probing], servers, say)
