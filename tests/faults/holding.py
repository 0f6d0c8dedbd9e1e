"""Ways to hold a re-routing at a moment: while it solves, or among its changes.

Run as a program it is `repartir` whose solving process waits at the phase that the
file of `VARIABLE` names, until that file is gone or the client asks for the best so
far:

    python -m tests.faults.holding serve ...
"""

import contextlib
import importlib
import os
import runpy
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
from pysqlite3 import dbapi2 as driver

from router.rerouting import worker_main, worker_process

MODULE = "tests.faults.holding"
VARIABLE = "REPARTIR_TEST_HOLD"
CHANGES = 5
"""Plans that a re-routing may change before `among_changes` holds it."""
LOOK_SECONDS = 0.02
GONE_SECONDS = 90.0
"""Longest wait for anything; a busy machine is slow."""

_COUNT = "SELECT count(DISTINCT plan_key) FROM movement WHERE cause = 'rerouted'"
# Neither database says that a constraint is broken: that would be a conflict.
_SQLITE = f"""
CREATE TRIGGER hold AFTER INSERT ON movement
WHEN NEW.cause = 'rerouted' AND ({_COUNT}) > {CHANGES}
BEGIN SELECT abs(-9223372036854775807 - 1); END
"""
_POSTGRES = f"""
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF NEW.cause = 'rerouted' AND ({_COUNT}) > {CHANGES} THEN
    RAISE EXCEPTION 'held by a test' USING ERRCODE = '53300';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER hold AFTER INSERT ON movement FOR EACH ROW EXECUTE FUNCTION hold();
"""


@contextlib.contextmanager
def among_changes(database: str) -> Iterator[None]:
    """Let a store refuse all changes of a re-routing after the first few.

    Enter it before the first. The server tries the next one for some ten seconds.
    """
    drop = "DROP TRIGGER hold"
    if not database.startswith("sqlite:"):
        drop += " ON movement; DROP FUNCTION hold"
    _run(database, _SQLITE if database.startswith("sqlite:") else _POSTGRES)
    try:
        yield
    finally:
        _run(database, drop)


def until_among(database: str) -> None:
    """Wait until the first changes are made, after which all are refused."""
    give_up = time.monotonic() + GONE_SECONDS
    while _run(database, _COUNT) != (CHANGES,):
        assert time.monotonic() < give_up
        time.sleep(LOOK_SECONDS)


def _run(database: str, sql: str) -> Any:
    """Run statements; return the first row, if any."""
    if database.startswith("sqlite:"):
        path = database.removeprefix("sqlite:///")
        connection: Any = driver.connect(path, GONE_SECONDS, isolation_level=None)
    else:
        connection = psycopg.connect(database, autocommit=True)
    with closing(connection) as db:
        cursor = db.execute(sql)
        return None if cursor.description is None else cursor.fetchone()


@contextlib.contextmanager
def held_at(phase: str) -> Iterator[None]:
    """Let the solving process of servers of this module wait at a phase."""
    file = Path(os.environ[VARIABLE])
    file.write_text(phase)
    try:
        yield
    finally:
        file.unlink()


class _Line:
    """The child's line to its server; it waits after it has sent a phase."""

    def __init__(self, line: Any, stopped: threading.Event) -> None:
        self._line = line
        self._stopped = stopped
        self._file = Path(os.environ[VARIABLE])

    def send(self, message: Any) -> None:
        self._line.send(message)
        if message[0] == "progress":
            while self._holds(message[1].phase) and not self._stopped.is_set():
                time.sleep(LOOK_SECONDS)

    def recv(self) -> Any:
        return self._line.recv()

    def _holds(self, phase: str) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return self._file.read_text() == phase
        return False


def run(line: Any, *arguments: Any) -> None:
    """Be the solving process, over a line that waits."""
    serve = worker_main._serve

    def serve_held(line: Any, stopped: threading.Event, session: Any) -> None:
        serve(_Line(line, stopped), stopped, session)  # type: ignore[arg-type]

    worker_main._serve = serve_held
    worker_main.run(line, *arguments)


def main() -> None:
    """Start solving processes that can be held, and be `repartir`."""
    # By this name the child can find it: this module is `__main__`.
    worker_process.run = importlib.import_module(MODULE).run  # type: ignore[attr-defined]
    runpy.run_module("router.cli", run_name="__main__")


if __name__ == "__main__":
    main()
