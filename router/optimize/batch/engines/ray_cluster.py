"""A Ray cluster: joined or started, and left as it was found.

The only module that imports Ray, which is an extra: without it this module can be
imported, and joining says what to install.
"""

import contextlib
import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from router.optimize.batch.engines.engine import EngineError

_records = logging.getLogRecordFactory()
try:
    import ray
    import ray.exceptions
except ImportError as error:  # pragma: no cover - tests run with the extra
    _MISSING: str | None = str(error)
else:
    _MISSING = None
    # Ray marks every log record of the process that imports it.
    logging.setLogRecordFactory(_records)

CONNECT_SECONDS = 5.0
"""Longest wait for the port of a cluster to open, and for its first words."""

RESTARTS = 3
"""Restarts of an actor that died, and retries of a call to it."""

STORE_BYTES = 2**30
"""The object store of a local Ray; beyond it, Ray writes to disk."""

_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_FRAME_BYTES = 9
_SETTINGS = b"\x04"

_TOKEN_BYTES = 32
_CLEAN_TRIES = 50
_CLEAN_SECONDS = 0.1
"""Between tries to remove what the processes of a local Ray leave on disk."""


class Cluster:
    """A cluster that this process is a driver of; made by `join`.

    ``where`` says in words which one, ``started`` whether it is here for us alone.
    """

    def __init__(self, where: str, *, started: bool) -> None:
        self.where = where
        self.started = started

    @property
    def address(self) -> str:
        """``host:port``, for others to join it."""
        found: str = ray.get_runtime_context().gcs_address
        return found

    @property
    def free_cpus(self) -> int:
        """CPUs that are not reserved."""
        free: dict[str, float] = ray.available_resources()  # type: ignore[no-untyped-call]
        return int(free.get("CPU", 0))

    def put(self, value: Any) -> Any:
        """Return a reference to a value, which all nodes may read and none change."""
        return ray.put(value)

    def start(self, kind: type[Any], count: int) -> list[Any]:
        """Return handles of ``count`` actors, with a CPU each, over all nodes."""
        actor = ray.remote(kind).options(
            num_cpus=1,
            max_restarts=RESTARTS,
            max_task_retries=RESTARTS,
            scheduling_strategy="SPREAD",
        )
        return [actor.remote() for _ in range(count)]

    def stop(self, actors: Sequence[Any]) -> None:
        """End actors for good."""
        for actor in actors:
            ray.kill(actor)

    def answers(self, calls: Sequence[Any], seconds: float) -> list[Any]:
        """Return what the references stand for.

        Raises
        ------
        EngineError
            An actor is gone for good, or the time is up.
        """
        try:
            found: list[Any] = ray.get(list(calls), timeout=seconds)
        except ray.exceptions.GetTimeoutError as error:
            raise EngineError(
                f"the workers at {self.where} gave no answer in {seconds:.0f} s"
            ) from error
        except ray.exceptions.RayTaskError:
            # Our own fault, not the cluster's.
            raise
        except ray.exceptions.RayError as error:
            raise EngineError(
                f"a worker at {self.where} is gone, after {RESTARTS} restarts:"
                f" {_cause(error)}"
            ) from error
        return found


@contextlib.contextmanager
def join(address: str | None, num_cpus: int) -> Iterator[Cluster]:
    """Connect this process to a cluster, or start one for as long as it is used.

    Parameters
    ----------
    address
        ``host:port``, or ``auto`` for the cluster on this machine; None: the one
        that this process is connected to already, or else one that is started and
        ends with the context.
    num_cpus
        CPUs of a cluster that is started.

    Raises
    ------
    EngineError
        Ray is not installed, or no cluster answers.
    """
    if _MISSING is not None:
        raise EngineError(
            f"pricing over many processes needs Ray ({_MISSING}): install repartir[ray]"
        )
    if address is not None:
        _reached(address)
    if ray.is_initialized():
        connected: str = ray.get_runtime_context().gcs_address
        if address not in (None, "auto", connected):
            raise EngineError(
                f"this process is connected to the Ray at {connected}:"
                f" disconnect before you ask for {address}"
            )
        yield Cluster(connected, started=False)
        return
    with contextlib.ExitStack() as undo:
        undo.enter_context(_handlers_kept())
        where = "this machine's own Ray" if address is None else address
        options: dict[str, Any] = {
            "logging_level": logging.ERROR,
            "log_to_driver": False,
        }
        if address is None:
            options |= undo.enter_context(_started(num_cpus))
        else:
            options["address"] = address
        undo.callback(ray.shutdown)
        try:
            with _found_by_children():
                ray.init(**options)
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise EngineError(
                f"cannot join the Ray cluster at {where}: {_cause(error)}"
            ) from error
        yield Cluster(where, started=address is None)


def _reached(address: str) -> None:
    """Try the port first: Ray itself waits for minutes where it gets no answer.

    Ray's protocol is HTTP/2 (RFC 9113, section 3.4), inside TLS if configured.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        raise EngineError(f"not host:port of a Ray cluster: {address}")
    advice = f"start one there with `ray start --head --port={port}`"
    try:
        with socket.create_connection((host, int(port)), CONNECT_SECONDS) as line:
            line.settimeout(CONNECT_SECONDS)
            line.sendall(_HELLO)
            heard = line.recv(_FRAME_BYTES, socket.MSG_WAITALL)
    except (OSError, OverflowError) as error:
        raise EngineError(f"no Ray cluster at {address} ({error}): {advice}") from error
    if heard[3:4] != _SETTINGS and not os.environ.get("RAY_USE_TLS"):
        raise EngineError(f"what listens at {address} is no Ray cluster: {advice}")


@contextlib.contextmanager
def _started(num_cpus: int) -> Iterator[dict[str, Any]]:
    """Yield how a local Ray is started; its files go when it has ended."""
    # Ray asks for both when a node starts. Nothing is reported to anybody, and the
    # token that admits drivers is not left in the user's home.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(_TOKEN_BYTES))
    folder = tempfile.mkdtemp(prefix="ray-")
    try:
        yield {
            "address": "local",
            "num_cpus": num_cpus,
            "include_dashboard": False,
            "object_store_memory": STORE_BYTES,
            "_temp_dir": folder,
        }
    finally:
        for _ in range(_CLEAN_TRIES):
            shutil.rmtree(folder, ignore_errors=True)
            if not os.path.lexists(folder):
                break
            time.sleep(_CLEAN_SECONDS)


@contextlib.contextmanager
def _found_by_children() -> Iterator[None]:
    """Let the processes of a local Ray import what this one runs, not another copy."""
    before = os.environ.get("PYTHONPATH")
    mine = str(Path(__file__).parents[4])
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [mine, before]))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


@contextlib.contextmanager
def _handlers_kept() -> Iterator[None]:
    """Put back what Ray takes over in this process."""
    hook, records = sys.excepthook, logging.getLogRecordFactory()
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        sys.excepthook = hook
        logging.setLogRecordFactory(records)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


def _cause(error: BaseException) -> str:
    """Return what began it: Ray puts tracebacks into its errors' texts."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).strip().rpartition("\n")[2]
