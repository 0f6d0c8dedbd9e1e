"""The child's end of a re-routing process: it does what the server's end asks.

See `router.rerouting.worker_process`. It reads no database: plans and stock are sent
to it, and it answers with moves. It ends when the line does.
"""

import importlib
import os
import signal
import threading
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from availability.model import IntArray, Sku
from router.errors import TooManyOrders
from router.optimize.batch.engines.engine import LOCAL, Engine, EngineError
from router.rerouting.joint_problem import Wishes
from router.rerouting.moves import Move
from router.rerouting.open_plans import Selection
from router.stored_plans import PlanCodec

NICE = 10
"""Niceness of the child: the server has callers waiting."""
WORKER, SESSION = __name__, "router.rerouting.session"
"""Modules of the child. It alone imports the second: the solvers take a second, and
no call needs them."""
PART_MOVES = 200
"""Moves in one message: reading them takes the interpreter from checkouts."""


class ChildCall(NamedTuple):
    """A request; before its answer the child may ask for ``stock``."""

    name: str
    args: tuple[Any, ...]


def run(
    line: "Connection[Any, Any]",
    stop: "Connection[Any, Any]",
    selection: Selection,
    wishes: Wishes,
    stored: PlanCodec,
    ray_address: str | None,
) -> None:
    """Serve one re-routing over ``line``; ``stop`` asks for the best so far."""
    os.nice(NICE)
    # Ctrl-C is for the server, which then ends the child.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stopped = threading.Event()
    threading.Thread(target=_listen, args=(stop, stopped), daemon=True).start()
    session: Any = None
    with ExitStack() as stack:
        try:
            engine = LOCAL if ray_address is None else _cluster(ray_address, stack)
            solving = importlib.import_module(SESSION)
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
    """Serve requests until the line closes; a text as session is why it cannot."""

    def read_stock(skus: Sequence[Sku]) -> IntArray:
        line.send(("stock", list(skus)))
        found: IntArray = line.recv()
        return found

    def tell(moves: list[Move]) -> None:
        for at in range(0, len(moves), PART_MOVES):
            line.send(("part", moves[at : at + PART_MOVES]))

    def do(call: ChildCall) -> Any:
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
            # By its parts: pickle would rebuild the error from its text.
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
    """Wait for a stop, and for the end of the server, at any time."""
    try:
        while True:
            stop.recv()
            stopped.set()
    except (EOFError, OSError):
        # No server is left to answer.
        os._exit(1)
