"""Break things on purpose and print what came of it.

python -m benchmarks.faults SCENARIO [--database sqlite|postgres|URL] [--quick]
"""

import argparse
import dataclasses
import functools
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.faults import clock, deadlines, disk, kill, network, oversell
from benchmarks.faults.answers import Verdict
from benchmarks.faults.cluster import Cluster, running_cluster

SCENARIOS = ("oversell", "kill", "network", "disk", "clock", "deadlines")
SERVERS = 3
"""Servers over one PostgreSQL."""
CLOCK_ACTIONS = {True: 300, False: 2_000}

Part = Callable[[str, Path], Verdict]
"""(database, folder) -> what was found."""


def parts(
    scenario: str, quick: bool, seed: int, servers: int, cluster: Cluster | None
) -> Iterator[Part]:
    """Yield what a scenario does, each on a database of its own."""
    if scenario == "oversell":
        size = oversell.QUICK if quick else oversell.FULL
        ports = dataclasses.replace(size, servers=servers)
        yield functools.partial(oversell.hot, size=ports, seed=seed)
        workers = dataclasses.replace(size, workers=servers)
        yield functools.partial(oversell.shared, size=workers, seed=seed)
        yield functools.partial(oversell.churned, size=workers, seed=seed)
    elif scenario == "kill":
        kills = kill.QUICK if quick else kill.FULL
        yield functools.partial(kill.kill_server, size=kills, seed=seed)
        if cluster:
            yield functools.partial(kill.kill_worker, size=kills, seed=seed)
            yield functools.partial(
                kill.kill_store, size=kills, cluster=cluster, seed=seed
            )
    elif scenario == "network":
        calls = network.QUICK if quick else network.FULL
        yield functools.partial(network.clients_side, size=calls, seed=seed)
        if cluster:
            behind = network.QUICK if quick else network.STORE
            yield functools.partial(network.store_side, size=behind, seed=seed)
    elif scenario == "disk":
        failures = disk.QUICK if quick else disk.FULL
        if not cluster:
            yield functools.partial(disk.too_large, size=failures, seed=seed)
        for each in disk.INJECTIONS:
            yield functools.partial(
                disk.injected, each, size=failures, cluster=cluster, seed=seed
            )
    elif scenario == "clock":
        for sign in (1, -1):
            yield functools.partial(
                clock.step, actions=CLOCK_ACTIONS[quick], sign=sign, seed=seed
            )
        if not cluster:  # whose own clock it would be
            steps = kill.QUICK if quick else kill.FULL
            yield functools.partial(clock.served, size=steps, seed=seed)
    else:
        storms = deadlines.QUICK if quick else deadlines.FULL
        storms = dataclasses.replace(storms, servers=servers)
        yield functools.partial(deadlines.storm, size=storms, seed=seed)


def main() -> int:
    """Run one scenario, or all; 1 if there was a breach."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults")
    parser.add_argument("scenario", choices=(*SCENARIOS, "all"))
    parser.add_argument(
        "--database", default="sqlite", help="sqlite, or postgres: one of our own"
    )
    parser.add_argument("--quick", action="store_true", help="with small numbers")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    names = SCENARIOS if options.scenario == "all" else (options.scenario,)
    breaches = 0
    with ExitStack() as stack:
        postgres = options.database == "postgres"
        cluster = stack.enter_context(running_cluster()) if postgres else None
        numbers = itertools.count(1)
        for name in names:
            servers = SERVERS if postgres else 1
            for part in parts(name, options.quick, options.seed, servers, cluster):
                breaches += _run(name, part, cluster, next(numbers))
    return 1 if breaches else 0


def _run(name: str, part: Part, cluster: Cluster | None, number: int) -> int:
    with tempfile.TemporaryDirectory(prefix="repartir-faults-") as folder:
        database = f"sqlite:///{folder}/stock.db"
        if cluster is not None:
            database = cluster.database(f"faults{number}")
        print(f"\n{name}, {database.partition(':')[0]}", flush=True)
        began = time.monotonic()
        verdict = part(database, Path(folder))
        print(f"took {time.monotonic() - began:.0f} s", flush=True)
    return len(verdict.breaches)


if __name__ == "__main__":
    raise SystemExit(main())
