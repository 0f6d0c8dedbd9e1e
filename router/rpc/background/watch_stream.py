"""One stream of availability: what it watches, what it sent, how far it has come."""

import bisect
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from availability.model import IntArray, Sku
from availability.positions import Changes, Mark
from router.rpc.background.offer_rows import OfferReader
from router.rpc.background.timers import EVERYTHING, Timers
from router.rpc.codec.offers import (
    MAX_ORDERABLE,
    NET,
    SINGLE_LOCATION,
    Fields,
    Rows,
    encode_reached,
    encode_watched,
)
from router.rpc.codec.watch import WatchRequest, encode_token

BATCH_ROWS = 5_000
"""Most rows of a message: with the longest SKUs it is still below 4 MiB."""


class PendingRows(NamedTuple):
    """Rows to compute, and how far the stream has come with them."""

    places: IntArray
    mark: Mark
    seen_seconds: int


class StreamBatch(NamedTuple):
    """Rows to send."""

    body: bytes
    version: int


class WatchStream:
    """One stream: what it watches, what it sent, and how far it has come."""

    def __init__(
        self, wanted: WatchRequest, reader: OfferReader, timers: Timers
    ) -> None:
        self.mark = wanted.mark
        self.skus: list[Sku] = list(wanted.skus)
        """In order, so that a SKU is found without a second copy of their names."""
        self.counted = 0
        """How many of them count as watched."""
        self.token = ""
        self._wanted = wanted
        self._all = not wanted.skus
        self._reader = reader
        self._timers = timers
        self._seen_seconds = wanted.seen_seconds
        self._version = 0
        self._sent = _sent_columns(_no_rows(len(self.skus)), wanted.fields)

    def todo(self, changes: Changes, seconds: int | None) -> PendingRows:
        """Return which rows may have changed.

        Until ``seconds`` by time alone; None: time is not considered.
        """
        names: frozenset[Sku] | None = changes.skus
        if changes.everything:
            names = EVERYTHING
        elif seconds is not None:
            due = self._timers.due(self._seen_seconds, seconds)
            names = EVERYTHING if due is EVERYTHING else changes.skus | due
        until = self._seen_seconds if seconds is None else seconds
        if names is EVERYTHING:
            self._learn()
            places = np.arange(len(self.skus))
        else:
            places = self._places(self._timers.with_kits(names))
        return PendingRows(places, changes.mark, until)

    def _places(self, names: set[Sku]) -> IntArray:
        if self._all and any(self._place(each) is None for each in names):
            self._learn()
        found = [at for each in names if (at := self._place(each)) is not None]
        return np.array(sorted(found), np.int64)

    def _place(self, sku: Sku) -> int | None:
        at = bisect.bisect_left(self.skus, sku)
        return at if at < len(self.skus) and self.skus[at] == sku else None

    def _learn(self) -> None:
        """Add SKUs that are new on the channel; those that left it stay watched."""
        if not self._all:
            return
        before = self.skus
        merged = sorted({*before, *self._reader.skus(self._wanted.channel_id)})
        if len(merged) == len(before):
            return
        places = {sku: at for at, sku in enumerate(merged)}
        kept = np.array([places[sku] for sku in before], np.int64)
        sent = _sent_columns(_no_rows(len(merged)), self._wanted.fields)
        for old, new in zip(self._sent, sent, strict=True):
            new[kept] = old
        self.skus, self._sent = merged, sent

    def evaluated(self, places: IntArray) -> list[StreamBatch]:
        """Compute rows and return those that differ from what was sent."""
        names = [self.skus[at] for at in places.tolist()]
        rows, self._version = self._reader.rows(self._wanted.channel_id, names)
        columns = _sent_columns(rows, self._wanted.fields)
        differs = np.zeros(len(places), np.bool_)
        for sent, new in zip(self._sent, columns, strict=True):
            differs |= sent[places] != new
        changed = np.flatnonzero(differs)
        for sent, new in zip(self._sent, columns, strict=True):
            sent[places[changed]] = new[changed]
        found = []
        for start in range(0, len(changed), BATCH_ROWS):
            some = changed[start : start + BATCH_ROWS]
            skus = [names[at] for at in some.tolist()]
            body = encode_watched(skus, rows.take(some), self._wanted.fields)
            found.append(StreamBatch(body, self._version))
        return found

    def reached(self, todo: PendingRows) -> None:
        """Remember that all rows are computed, and all but the last batch sent."""
        self.mark, self._seen_seconds = todo.mark, todo.seen_seconds
        self.token = encode_token(todo.mark, todo.seen_seconds, self._wanted.digest)

    def batch(self, found: StreamBatch | None, token: str) -> bytes:
        """Return a message, without rows if there are none."""
        if found is None:
            return encode_reached(token, self._version)
        return found.body + encode_reached(token, found.version)


def _no_rows(size: int) -> Rows:
    """Return rows that differ from every computed row: they have no status."""
    none = np.zeros(size, np.int64)
    few = np.zeros(size, np.int8)
    return Rows(none, few, few, none, none, none, none)


def _sent_columns(rows: Rows, fields: Fields) -> list[npt.NDArray[np.integer]]:
    """Return copies of the columns that are sent: others need not be kept."""
    found: list[npt.NDArray[np.integer]] = [
        rows.quantity_units,
        rows.statuses,
        rows.sent_flags(fields),
        rows.from_seconds,
    ]
    if MAX_ORDERABLE in fields:
        found.append(rows.max_orderable_units)
    if SINGLE_LOCATION in fields:
        found.append(rows.single_location_units)
    if NET in fields:
        found.append(rows.net_units)
    return [each.copy() for each in found]
