"""A re-routing in a process of its own, and the server's end of the line to it.

Python lets one thread run at a time: what takes minutes must not share the
interpreter with checkouts. The child reads no database: plans and stock are sent to
it, and it answers with moves. It ends when the line does, so no server leaves one
behind, however it ended.
"""

import contextlib
import importlib
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from availability.model import IntArray, Sku
from availability.reservations import PlanRef, ReservationRecord
from router.errors import ReroutingEnded, TooManyOrders
from router.optimize.batch.engines.engine import LOCAL, Engine, EngineError
from router.optimize.batch.limits import BatchLimits, Progress
from router.rerouting.joint_problem import ReadStock, Wishes
from router.rerouting.moves import Move
from router.rerouting.open_plans import Selection
from router.rerouting.summary import Summary, Surroundings
from router.stored_plans import PlanCodec

NICE = 10
"""How far the child stands back behind the server, which has callers waiting."""
_SESSION = "router.rerouting.session"
"""Imported by the child alone: the solvers take a second, and no call needs them."""
END_SECONDS = 5.0
"""Longest wait for it to go."""
PART_MOVES = 200
"""Moves that are sent at once: to read them takes the interpreter from checkouts."""


class ChildFailed(Exception):
    """The child met a fault of ours; the text is its traceback."""


class _ChildCall(NamedTuple):
    """What the child is to do; ``stock`` may be asked for before it answers."""

    name: str
    args: tuple[Any, ...]


class Child:
    """The server's end: a `Session` in another process.

    One thread at a time may call it; `stop` and `end` may come from any. Once it was
    ended, what it was called for raises ReroutingEnded.

    Orders are priced on the Ray cluster at ``ray_address``, None: in the process.

    Every call raises ReroutingEnded where the process has ended by itself, or was
    killed, and ChildFailed where it met a fault.
    """

    def __init__(
        self,
        selection: Selection,
        wishes: Wishes,
        stored: PlanCodec,
        ray_address: str | None = None,
    ) -> None:
        context = multiprocessing.get_context("forkserver")
        # Importing the solvers takes a second: once for all children of a server.
        context.set_forkserver_preload([__name__, _SESSION])
        self._line, theirs = context.Pipe()
        self._stop, their_stop = context.Pipe()
        self._process = context.Process(
            target=_run,
            args=(theirs, their_stop, selection, wishes, stored, ray_address),
            name="rerouting",
            daemon=True,
        )
        self._process.start()
        theirs.close()
        their_stop.close()

    def add(self, records: Sequence[ReservationRecord]) -> int:
        """Add a page of plans; return how many are selected by now.

        Raises
        ------
        TooManyOrders
            See `Session.add`.
        """
        count: int = self._call("add", (records,))
        return count

    def solve(
        self,
        around: Surroundings,
        read_stock: ReadStock,
        limits: BatchLimits,
        progress: Callable[[Progress], None],
    ) -> list[Move]:
        """See `Session.solve`."""
        moves: list[Move] = []
        self._call("solve", (around, limits), read_stock, progress, moves.extend)
        return moves

    def again(
        self,
        records: Sequence[ReservationRecord],
        around: Surroundings,
        read_stock: ReadStock,
        limits: BatchLimits,
    ) -> list[Move]:
        """See `Session.again`."""
        moves: list[Move] = []
        args = (records, around, limits)
        self._call("again", args, read_stock, part=moves.extend)
        return moves

    def applied(self, plan_ids: Iterable[str]) -> None:
        """See `Session.applied`."""
        self._call("applied", (list(plan_ids),))

    def alone(self) -> list[PlanRef]:
        """See `Session.alone`."""
        plans: list[PlanRef] = self._call("alone", ())
        return plans

    def seen(self, records: Sequence[ReservationRecord]) -> None:
        """See `Session.seen`."""
        self._call("seen", (records,))

    def finish(self) -> tuple[Summary, bytes]:
        """Return what came of it, and the saved run, empty if nothing was solved."""
        found: tuple[Summary, bytes] = self._call("finish", ())
        return found

    def stop(self) -> None:
        """Ask for the best so far."""
        with contextlib.suppress(OSError):
            self._stop.send(None)

    def end(self) -> None:
        """End it, whatever it is doing."""
        self._process.terminate()
        self._process.join(END_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(END_SECONDS)

    def close(self) -> None:
        """Close the line to one that was ended, in the thread that calls it.

        In another, what is read from the line could come from whatever was given its
        number since.
        """
        self._line.close()
        self._stop.close()

    def _call(
        self,
        name: str,
        args: tuple[Any, ...],
        read_stock: ReadStock | None = None,
        progress: Callable[[Progress], None] = lambda _: None,
        part: Callable[[list[Move]], None] = lambda _: None,
    ) -> Any:
        try:
            self._line.send(_ChildCall(name, args))
            while True:
                kind, value = self._line.recv()
                match kind:
                    case "stock" if read_stock is not None:
                        self._line.send(read_stock(value))
                    case "progress":
                        progress(value)
                    case "part":
                        part(value)
                    case "done":
                        return value
                    case "ended":
                        raise ReroutingEnded(value)
                    case "too many":
                        raise TooManyOrders(value)
                    case _:
                        raise ChildFailed(str(value))
        except (EOFError, OSError) as error:
            raise ReroutingEnded(self._how()) from error

    def _how(self) -> str:
        self._process.join(END_SECONDS)
        status = self._process.exitcode
        if status is None:
            return "it does not answer"
        return f"signal {-status}" if status < 0 else f"exit status {status}"


def _run(
    line: "Connection[Any, Any]",
    stop: "Connection[Any, Any]",
    selection: Selection,
    wishes: Wishes,
    stored: PlanCodec,
    ray_address: str | None,
) -> None:
    os.nice(NICE)
    # A key that was pressed is the server's to hear: it ends the child in its turn.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stopped = threading.Event()
    threading.Thread(target=_listen, args=(stop, stopped), daemon=True).start()
    session: Any = None
    with ExitStack() as stack:
        try:
            engine = LOCAL if ray_address is None else _cluster(ray_address, stack)
            solving = importlib.import_module(_SESSION)
            session = solving.RerouteSession(selection, wishes, stored, engine)
        except EngineError as error:
            broken = str(error)
        _serve(line, stopped, session or broken)


def _cluster(address: str, stack: ExitStack) -> Engine:
    # Ray is an extra, and slow to import.
    module = importlib.import_module("router.optimize.batch.engines.ray_engine")
    engine: Engine = stack.enter_context(module.RayEngine(address))
    return engine


def _serve(
    line: "Connection[Any, Any]", stopped: threading.Event, session: Any
) -> None:
    """Do what the server says until it says no more; a text says why it cannot."""

    def read_stock(skus: Sequence[Sku]) -> IntArray:
        line.send(("stock", list(skus)))
        found: IntArray = line.recv()
        return found

    def tell(moves: list[Move]) -> None:
        for at in range(0, len(moves), PART_MOVES):
            line.send(("part", moves[at : at + PART_MOVES]))

    def do(call: _ChildCall) -> Any:
        if isinstance(session, str):
            raise EngineError(session)
        match call.name:
            case "add":
                session.add(*call.args)
                return session.count
            case "solve":
                around, limits = call.args
                return tell(
                    session.solve(
                        around,
                        read_stock,
                        limits,
                        lambda step: line.send(("progress", step)),
                        stopped.is_set,
                    )
                )
            case "again":
                records, around, limits = call.args
                return tell(
                    session.again(records, around, read_stock, limits, stopped.is_set)
                )
            case "applied":
                return session.applied(*call.args)
            case "alone":
                return session.alone()
            case "seen":
                return session.seen(*call.args)
            case _:
                saved = session.saved
                return session.summary(), b"" if saved is None else saved.to_bytes()

    answer: tuple[str, Any]
    while True:
        try:
            call = line.recv()
        except (EOFError, OSError):
            return
        try:
            answer = ("done", do(call))
        except (EOFError, OSError):
            return
        except TooManyOrders as error:
            # By its parts: an error that is sent whole is made anew from its text.
            answer = ("too many", error.most)
        except EngineError as error:
            answer = ("ended", str(error))
        except Exception:
            answer = ("failed", traceback.format_exc())
        try:
            line.send(answer)
        except (BrokenPipeError, OSError):
            return


def _listen(stop: "Connection[Any, Any]", stopped: threading.Event) -> None:
    """Hear of a stop; and of the server's end, which may come in the middle."""
    try:
        while True:
            stop.recv()
            stopped.set()
    except (EOFError, OSError):
        # Nobody is there to hear an answer.
        os._exit(1)
