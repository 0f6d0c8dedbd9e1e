"""Ctrl-C twice: the first asks for an end, the second is one."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def first_interrupt(heard: Callable[[], None]) -> Iterator[None]:
    """Call ``heard`` at the first Ctrl-C; the second raises KeyboardInterrupt.

    ``heard`` interrupts whatever the main thread is doing: it must not print or
    lock. Where Ctrl-C is ignored (a shell's background job), it stays so.
    """
    before = signal.getsignal(signal.SIGINT)
    in_main = threading.current_thread() is threading.main_thread()
    if before is signal.SIG_IGN or not in_main:
        yield
        return

    def hear(number: int, frame: FrameType | None) -> None:
        del number, frame
        signal.signal(signal.SIGINT, signal.default_int_handler)
        heard()

    signal.signal(signal.SIGINT, hear)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
