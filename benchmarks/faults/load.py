"""Client processes: spawned, never forked, since gRPC does not survive a fork."""

import contextlib
import multiprocessing
import time
from collections.abc import Iterator, Sequence

from benchmarks.faults.client import PATIENCE_SECONDS, Job, work

START_SECONDS = 90.0
END_SECONDS = PATIENCE_SECONDS + 300.0
"""Longest wait until every order is placed."""
LOOK_SECONDS = 0.01


class Load:
    """Client processes that have begun."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        context = multiprocessing.get_context("spawn")
        self._files = [job.file for job in jobs]
        self._ready, self._count = context.Semaphore(0), len(jobs)
        self._go, self._stop = context.Event(), context.Event()
        self._clients = [
            context.Process(
                target=work, args=(job, self._ready, self._go, self._stop), daemon=True
            )
            for job in jobs
        ]
        for each in self._clients:
            each.start()

    def go(self) -> None:
        """Let all begin at once."""
        for _ in range(self._count):
            if not self._ready.acquire(timeout=START_SECONDS):
                raise RuntimeError("a client did not start")
        self._go.set()

    def answered(self) -> None:
        """Wait until every client has recorded something more."""
        before = self._sizes()
        give_up = time.monotonic() + END_SECONDS
        while any(now <= then for now, then in zip(self._sizes(), before, strict=True)):
            if time.monotonic() > give_up:
                raise RuntimeError("a client is not answered any more")
            time.sleep(LOOK_SECONDS)

    def _sizes(self) -> list[int]:
        return [each.stat().st_size for each in self._files]

    def end(self) -> None:
        """Let each finish its order, and wait for all."""
        self._stop.set()
        self.join()

    def join(self) -> None:
        """Wait until every client has placed all its orders."""
        give_up = time.monotonic() + END_SECONDS
        for each in self._clients:
            each.join(max(0.1, give_up - time.monotonic()))
            if each.exitcode != 0:
                raise RuntimeError(f"a client ended with {each.exitcode}")

    def kill(self) -> None:
        """Kill those that are left."""
        for each in self._clients:
            if each.is_alive():
                each.kill()
            each.join()
            each.close()


@contextlib.contextmanager
def loading(jobs: Sequence[Job]) -> Iterator[Load]:
    """Run clients, which have begun when the block does."""
    load = Load(jobs)
    try:
        load.go()
        yield load
    finally:
        load.kill()
