"""`repartir` whose ledger's clock steps: SIGUSR1 forwards, SIGUSR2 backwards.

    python -m benchmarks.faults.stepped serve ...

Only the ledger's: gRPC's Python side takes the time that a deadline leaves from the
wall clock too, and would see it step where gRPC's core does not.
"""

import runpy
import signal
import time
from types import FrameType

from availability.ledger.open import open_ledger

STEP_SECONDS = 300.0


def main() -> None:
    """Give the ledger another clock, then be `repartir`."""
    offset = 0.0

    def stepped() -> float:
        return time.time() + offset

    def step(number: int, _: FrameType | None) -> None:
        nonlocal offset
        offset += STEP_SECONDS if number == signal.SIGUSR1 else -STEP_SECONDS

    open_ledger.__defaults__ = (stepped,)
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, step)
    runpy.run_module("router.cli", run_name="__main__")


if __name__ == "__main__":
    main()
