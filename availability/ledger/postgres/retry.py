"""Beginning a transaction again, a bounded number of times."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from availability.errors import StoreUnavailable

ATTEMPTS = 5
"""How often a transaction is begun that met a deadlock or was not serializable."""

BACKOFF_SECONDS = 0.02
"""Wait before the second attempt; each further one waits twice as long, and up to
as much again by chance."""

ResultT = TypeVar("ResultT")


def repeated(
    work: Callable[[], ResultT], causes: tuple[type[BaseException], ...]
) -> ResultT:
    """Do what may fail for want of luck, at most `ATTEMPTS` times.

    Raises
    ------
    StoreUnavailable
        The last attempt's, or the first that has none of these causes.
    """
    for attempt in range(1, ATTEMPTS):
        try:
            return work()
        except StoreUnavailable as error:
            if not isinstance(error.__cause__, causes):
                raise
        wait = BACKOFF_SECONDS * 2 ** (attempt - 1)
        time.sleep(wait * (1 + random.random()))  # noqa: S311
    return work()
