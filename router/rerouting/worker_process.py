"""A re-routing in a process of its own: the server's end of the line to it.

Python lets one thread run at a time: what takes minutes must not share the
interpreter with checkouts. The child, `router.rerouting.worker_main`, ends when the
line does, so no server leaves one behind, however it ended.
"""

import contextlib
import multiprocessing
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from availability.reservations import PlanRef, ReservationRecord
from router.errors import ReroutingEnded, TooManyOrders
from router.optimize.batch.limits import BatchLimits, Progress
from router.rerouting.joint_problem import ReadStock, Wishes
from router.rerouting.moves import Move
from router.rerouting.open_plans import Selection
from router.rerouting.summary import Summary, Surroundings
from router.rerouting.worker_main import SESSION, WORKER, ChildCall, run
from router.stored_plans import PlanCodec

END_SECONDS = 5.0
"""Longest wait for the child to end."""


class ChildFailed(Exception):
    """A bug in the child; the text is its traceback."""


class Child:
    """The server's end: a `Session` in another process.

    One thread at a time may call it, except for `stop` and `end`. After `end`, calls
    raise ReroutingEnded.

    Orders are priced on the Ray cluster at ``ray_address``, None: in the process.

    Every call raises ReroutingEnded if the process ended or was killed, and
    ChildFailed on a bug in the child.
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
        context.set_forkserver_preload([WORKER, SESSION])
        self._line, theirs = context.Pipe()
        self._stop, their_stop = context.Pipe()
        self._process = context.Process(
            target=run,
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
        """Return the summary and the saved run, empty if nothing was solved."""
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
            self._line.send(ChildCall(name, args))
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
