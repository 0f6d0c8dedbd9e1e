"""Ctrl-C twice: the first requests an end, the second forces it."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def first_interrupt(on_first: Callable[[], None]) -> Iterator[None]:
    """Call ``on_first`` at the first Ctrl-C; the second raises KeyboardInterrupt.

    ``on_first`` runs in a signal handler: it must not print or take a lock. If Ctrl-C
    is ignored (a shell's background job), it stays ignored.
    """
    before = signal.getsignal(signal.SIGINT)
    in_main = threading.current_thread() is threading.main_thread()
    if before is signal.SIG_IGN or not in_main:
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        signal.signal(signal.SIGINT, signal.default_int_handler)
        on_first()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
