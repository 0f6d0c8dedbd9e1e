"""One process at a time, and kill -9 at any moment."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as driver

from availability.errors import (
    StoreUnavailable,
)
from availability.ledger.open import open_ledger
from tests.availability.ledger.sqlite_file import Opener, check_file
from tests.availability.ledger.world import allocated, check_grid, request, stocked

CHILD = """
import sys, threading
from availability.ledger.open import open_ledger
from tests.availability.ledger.world import reservation, request

ledger = open_ledger(sys.argv[1])
start = int(sys.argv[2])
out = threading.Lock()

def run(thread):
    for n in range(10**9):
        name = f"{start}-{thread}-{n}"
        claims = [(at, f"s{(n + thread) % 5}", 1) for at in "ab"]
        ledger.reserve(reservation(name, *claims, request=request(name)))
        with out:
            print(name, flush=True)

for thread in range(4):
    threading.Thread(target=run, args=(thread,)).start()
"""

HOLDER = """
import os, sys, time
from availability.ledger.open import open_ledger

ledger = open_ledger(sys.argv[1])
if len(sys.argv) > 2:
    if os.fork() == 0:
        time.sleep(60)
print(os.getpid(), flush=True)
time.sleep(60)
"""


def spawn(code: str, *arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[4],
        process_group=0,
    )


def kill_group(child: "subprocess.Popen[str]") -> None:
    os.killpg(child.pid, 9)
    reap(child)


def reap(child: "subprocess.Popen[str]") -> None:
    child.wait()
    assert child.stdout is not None
    child.stdout.close()


class TestProcesses:
    def test_a_second_process_is_refused(self, open_file: Opener, path: Path) -> None:
        child = spawn(HOLDER, path)
        try:
            assert child.stdout is not None
            pid = child.stdout.readline().strip()
            with pytest.raises(StoreUnavailable, match=f"process {pid}"):
                open_file()
            with closing(driver.connect(path)) as reader:  # may still look
                assert reader.execute("SELECT version FROM ledger").fetchone() == (0,)
        finally:
            kill_group(child)
        open_file()

    def test_a_second_ledger_of_one_process_is_refused(
        self, open_file: Opener, path: Path
    ) -> None:
        first = open_file()
        with pytest.raises(StoreUnavailable, match="this very process"):
            open_file()
        link = path.with_name("link.db")
        link.symlink_to(path)
        with pytest.raises(StoreUnavailable, match="this very process"):
            open_ledger(str(link))
        stocked(first, {("a", "x"): 1})
        first.close()
        open_file()

    def test_a_forked_child_does_not_keep_the_file(
        self, open_file: Opener, path: Path
    ) -> None:
        parent = spawn(HOLDER, path, "fork")
        try:
            assert parent.stdout is not None
            os.kill(int(parent.stdout.readline()), 9)
            parent.wait()
            open_file()
        finally:
            kill_group(parent)

    def test_kill_nine_loses_nothing_acknowledged(
        self, open_file: Opener, path: Path
    ) -> None:
        ledger = open_file()
        stocked(ledger, {(at, f"s{n}"): 10**9 for at in "ab" for n in range(5)})
        ledger.close()
        acknowledged: list[str] = []

        for kill in range(5):
            child = spawn(CHILD, path, kill)
            assert child.stdout is not None
            for count, line in enumerate(child.stdout, start=1):
                acknowledged.append(line.strip())
                if count == 40 + 37 * kill:
                    os.killpg(child.pid, 9)
            reap(child)

            ledger = open_file()
            for name in acknowledged:
                assert ledger.replay(request(name)) == f"reply-{name}".encode()
                assert ledger.plan(f"plan-{name}") == f"reply-{name}".encode()
            check_grid(ledger)
            held = sum(allocated(ledger).values())
            # What was committed and not yet acknowledged: one for each thread.
            assert (
                2 * len(acknowledged)
                <= held
                <= 2 * (len(acknowledged) + 4 * (kill + 1))
            )
            ledger.close()
            check_file(path)
