"""Many threads, one commit: the leading thread commits for all that wait."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Generic, TypeVar, cast

from availability.errors import StoreUnavailable

ItemT = TypeVar("ItemT")
OutcomeT = TypeVar("OutcomeT")


class _Ticket(Generic[ItemT, OutcomeT]):
    """One thread's item; the thread sleeps on ``woken``."""

    __slots__ = ("error", "item", "leads", "outcome", "woken")

    def __init__(self, item: ItemT) -> None:
        self.item = item
        self.outcome: OutcomeT | None = None
        self.error: Callable[[], Exception] | None = None
        self.leads = False
        self.woken = threading.Lock()
        self.woken.acquire()


class Combiner(Generic[ItemT, OutcomeT]):
    """Group commit without a thread of its own.

    The first thread to come leads: it takes ``exclusive``, and only then the queue,
    so that everything that came while it waited shares its commit (and the disk's
    sync, which is what a commit costs). It leads once, for at most ``limit`` items,
    its own among them, and hands the lead to the first that is left. So a thread
    waits for at most one commit for every ``limit`` items before its own.

    Parameters
    ----------
    exclusive
        The writer's lock; what it raises, all who wait for it get.
    commit
        Takes the items, returns as many outcomes. An exception is everyone's.
    failure
        Makes each thread's own exception of the one that struck the leader.
    """

    def __init__(
        self,
        exclusive: Callable[[], AbstractContextManager[None]],
        commit: Callable[[Sequence[ItemT]], Sequence[OutcomeT]],
        failure: Callable[[BaseException], Exception],
        limit: int,
    ) -> None:
        self._exclusive = exclusive
        self._commit = commit
        self._failure = failure
        self._limit = limit
        self._guard = threading.Lock()
        self._queue: deque[_Ticket[ItemT, OutcomeT]] = deque()
        self._led = False

    def submit(self, item: ItemT) -> OutcomeT:
        """Return the item's outcome, once it is committed."""
        ticket: _Ticket[ItemT, OutcomeT] = _Ticket(item)
        with self._guard:
            self._queue.append(ticket)
            if not self._led:
                self._led = ticket.leads = True
        if not ticket.leads:
            try:
                ticket.woken.acquire()
            except BaseException:
                self._leave(ticket)
                raise
        if ticket.leads:
            self._lead()
        if ticket.error is not None:
            raise ticket.error()
        return cast(OutcomeT, ticket.outcome)

    def _lead(self) -> None:
        group: list[_Ticket[ItemT, OutcomeT]] = []
        try:
            with self._exclusive():
                group = self._take()
                outcomes = self._commit([ticket.item for ticket in group])
                for ticket, outcome in zip(group, outcomes, strict=True):
                    ticket.outcome = outcome
        except BaseException as error:
            group = group or self._take()
            cause = error
            for ticket in group:
                ticket.error = lambda: self._failure(cause)
            if not isinstance(error, Exception):
                raise
        finally:
            self._hand_over()
            for ticket in group[1:]:  # the first is the leader itself
                ticket.woken.release()

    def _take(self) -> list[_Ticket[ItemT, OutcomeT]]:
        with self._guard:
            count = min(self._limit, len(self._queue))
            return [self._queue.popleft() for _ in range(count)]

    def _hand_over(self) -> None:
        with self._guard:
            self._led = bool(self._queue)
            if self._led:
                self._queue[0].leads = True
                self._queue[0].woken.release()

    def _leave(self, ticket: _Ticket[ItemT, OutcomeT]) -> None:
        """Withdraw an interrupted thread's item, if no leader has taken it."""
        with self._guard:
            if ticket in self._queue:
                self._queue.remove(ticket)
        if ticket.leads:
            self._hand_over()


def failure_of(error: BaseException) -> StoreUnavailable:
    """Make a thread's own error of the one that struck its whole commit."""
    failure = StoreUnavailable(str(error))
    failure.__cause__ = error
    return failure
