"""Which SKUs changed in memory, for those who watch."""

import uuid
from collections import deque
from collections.abc import Iterable
from itertools import islice

from availability.model import Sku
from availability.positions import Changes, Mark

KEPT_CHANGES = 100_000
"""Changes kept; a reader whose mark is older must read everything."""


class ChangeLog:
    """The last changes, in the order they came. Used within the mirror's lock."""

    def __init__(self) -> None:
        self._process_id = uuid.uuid4().hex
        self._skus: deque[str] = deque(maxlen=KEPT_CHANGES)
        # Places are numbers of changes; those before the oldest kept are lost.
        self._next = 0
        self._known_from = 0

    def add(self, skus: Iterable[str]) -> None:
        """Remember that these changed."""
        before = self._next
        for sku in skus:
            self._skus.append(sku)
            self._next += 1
        if self._next != before:
            oldest = self._next - len(self._skus)
            self._known_from = max(self._known_from, oldest)

    def add_everything(self) -> None:
        """Remember that anything may have changed."""
        self._skus.clear()
        self._next += 1
        self._known_from = self._next

    def since(self, mark: Mark | None) -> Changes:
        """Return what changed since a mark."""
        now = Mark(self._process_id, self._next)
        if (
            mark is None
            or mark.process_id != self._process_id
            or not self._known_from <= mark.place <= self._next
        ):
            return Changes(frozenset(), True, now)
        new = self._next - mark.place
        skus = islice(reversed(self._skus), new)
        return Changes(frozenset(map(Sku, skus)), False, now)
