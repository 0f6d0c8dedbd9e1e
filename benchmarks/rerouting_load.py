"""Pending orders re-routed while clients check out: what checkouts pay for it.

    python -m benchmarks.rerouting_load [--database sqlite|postgres] [--orders N]

Clients alone, then the same clients while all is re-routed, then alone again: a
machine that others use is not the same a minute later, and how much of it they took
is said. Each client waits for its answer and then for the rest of its turn. At the
end the ledger is judged as in benchmarks.faults: nothing oversold, no order without
a hold at any moment, each with the one plan that it was answered.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from google.protobuf.duration_pb2 import Duration

from benchmarks.faults.checkouts import Did, Job, Timed, as_process, jobs_of
from benchmarks.faults.cluster import running_cluster
from benchmarks.faults.harness import Server, serving
from benchmarks.faults.holds import check_holds
from benchmarks.faults.pending import Waiting, World, place
from benchmarks.faults.rerouting import Rerouting

ORDERS, LOCATIONS, SKUS = 10_000, 30, 400
LATE_UNITS = 6
CLIENTS, PROCESSES = 16, 2
PACE_SECONDS = 0.4
ALONE_SECONDS = 30.0
SOLVE_SECONDS = 60
STEAL = 7
"""Place of the time that the hypervisor gave to others; see proc(5)."""
BAR = 3.0
"""Most times the p99 of clients alone."""
START_SECONDS = 120.0
END_SECONDS = 120.0


@contextmanager
def checking_out(jobs: Sequence[Job]) -> Iterator[Did]:
    """Run clients in processes; what they did is there after the block."""
    context = multiprocessing.get_context("spawn")
    ready, stop = context.Semaphore(0), context.Event()
    lines: list[Any] = []
    processes = []
    did = Did()
    for n in range(PROCESSES):
        ours, theirs = context.Pipe()
        mine = list(jobs[n::PROCESSES])
        process = context.Process(
            target=as_process, args=(mine, ready, stop, theirs), daemon=True
        )
        process.start()
        lines.append(ours)
        processes.append(process)
    try:
        for _ in processes:
            if not ready.acquire(timeout=START_SECONDS):
                raise RuntimeError("clients did not start")
        yield did
        stop.set()
        for line in lines:
            if not line.poll(END_SECONDS):
                raise RuntimeError("clients did not end")
            did.add(line.recv())
    finally:
        for process in processes:
            process.kill()
            process.join()


def say(name: str, timed: Sequence[Timed]) -> float:
    """Print a row; return its p99, in seconds."""
    seconds = sorted(each.seconds for each in timed)
    p50, p99 = seconds[len(seconds) // 2], seconds[len(seconds) * 99 // 100]
    print(
        f"| {name} | {len(seconds):,} | {p50 * 1e3:.1f} | {p99 * 1e3:.1f} | "
        f"{seconds[-1] * 1e3:.1f} |",
        flush=True,
    )
    return p99


def others_share(before: Sequence[int], after: Sequence[int]) -> str:
    """Return how much of the processors' time other machines took in between."""
    spent = [now - then for then, now in zip(before, after, strict=True)]
    return f"{100 * spent[STEAL] / max(1, sum(spent)):.0f} %"


def processors() -> list[int]:
    """Return the first line of /proc/stat: user, nice, system, idle, and so on."""
    first = Path("/proc/stat").read_text().splitlines()[0]
    return [int(each) for each in first.split()[1:9]]


def measure(server: Server, world: World, waiting: Sequence[Waiting]) -> Did:
    """Let clients check out, alone and during a re-routing; print both."""

    def jobs(turn: int) -> list[Job]:
        # Each run disturbs other orders.
        return jobs_of(
            *(CLIENTS, [server.address], world.sku_names, waiting[turn::3]),
            *(PACE_SECONDS, "abc"[turn]),
        )

    marks = [processors()]
    print("\n| checkouts | count | p50 ms | p99 ms | most ms |")
    print("| --- | --- | --- | --- | --- |")
    with checking_out(jobs(0)) as did:
        time.sleep(ALONE_SECONDS)
    marks.append(processors())
    say("alone, before", did.timed)
    phases: list[tuple[str, float]] = []
    with checking_out(jobs(1)) as during:
        began = time.monotonic()
        run = Rerouting(server.address, solve_timeout=Duration(seconds=SOLVE_SECONDS))

        def note(reply: Any) -> bool:
            if not phases or phases[-1][0] != reply.phase:
                phases.append((reply.phase, time.monotonic()))
            return False

        run.until(note)
        ended = time.monotonic()
    marks.append(processors())
    inside = [each for each in during.timed if began <= each.began < ended]
    most = say("during all of it", inside)
    ends = [at for _, at in phases[1:]] + [ended]
    for (name, start), end in zip(phases, ends, strict=True):
        part = [each for each in inside if start <= each.began < end]
        if len(part) >= CLIENTS:
            say(f"{name}, {end - start:.1f} s", part)
    with checking_out(jobs(2)) as after:
        time.sleep(ALONE_SECONDS)
    marks.append(processors())
    say("alone, after", after.timed)
    least = say("alone, both", [*did.timed, *after.timed])
    kept = "kept" if most <= BAR * least else "NOT KEPT"
    print(
        f"\np99 is {most / least:.2f} times that of clients alone (bar {BAR}: {kept})"
    )
    others = map(others_share, marks, marks[1:])
    print("others took of the processors before, during, after:", ", ".join(others))
    _report(run, ended - began)
    did.add(during)
    did.add(after)
    return did


def _report(run: Rerouting, seconds: float) -> None:
    report, reply = run.report, run.latest
    assert report is not None
    print(
        f"{report.before.order_count:,} orders re-routed in {seconds:.1f} s: shipments "
        f"{report.before.shipment_count:,} to {report.after.shipment_count:,}, bound "
        f"{report.shipment_bound:,}; changes applied {reply.applied_count:,}, "
        f"conflicts {report.conflict_count:,}, given up {report.given_up_count:,}"
    )


def main() -> int:
    """Measure; 1 if anything was harmed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rerouting_load")
    parser.add_argument("--database", default="sqlite", choices=("sqlite", "postgres"))
    parser.add_argument("--orders", type=int, default=ORDERS)
    options = parser.parse_args()
    world = World(options.orders, LOCATIONS, SKUS)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        database = f"sqlite:///{folder}/stock.db"
        if options.database == "postgres":
            database = stack.enter_context(running_cluster()).database("rerouting")
        (server,) = stack.enter_context(serving(database, folder))
        waiting = place(server.address, world, LATE_UNITS)
        print(f"{options.database}: {len(waiting):,} pending orders, {CLIENTS} clients")
        did = measure(server, world, waiting)
        stopped = server.stop()
        faults = server.complaints()
        open_units = {each.order_id: each.units for each in waiting} | did.open_units
        found = check_holds(database, open_units)
    print(f"calls: {dict(sorted(did.calls.items()))}")
    breaches = [*found.breaches, *did.refused, *faults]
    print(f"orders {found.orders:,}, live {found.live:,}, swaps {found.swaps:,}")
    print(*breaches, f"breaches: {len(breaches)}", sep="\n")
    cpu = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"processor time of all processes: {cpu.ru_utime + cpu.ru_stime:.0f} s")
    return 1 if breaches or stopped else 0


if __name__ == "__main__":
    raise SystemExit(main())
