"""Stock, promises and setup of some SKUs at one moment: the input of offers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from availability.model import IntArray, Network, Sku
from availability.reservations import Reservation
from availability.setup.setup import Setup

SecondsArray = npt.NDArray[np.int32]


class Counts(NamedTuple):
    """Units of one SKU promised on one channel.

    ``queued`` wait for a location; ``promised`` are all ever promised and not given
    up again, those that were shipped among them.
    """

    queued: int = 0
    promised: int = 0

    def plus(self, queued: int, promised: int) -> "Counts":
        """Return the counts after more was queued and promised."""
        return Counts(self.queued + queued, self.promised + promised)


def promised_on(counts: Mapping[str, Counts], channel_ids: Iterable[str]) -> int:
    """Return the units of a SKU that some channels have promised together."""
    return sum(counts[each].promised for each in channel_ids if each in counts)


class Mark(NamedTuple):
    """A place in the changes of one process."""

    process_id: str
    place: int


class Changes(NamedTuple):
    """SKUs that changed before ``mark``; all may have if ``everything``."""

    skus: frozenset[Sku]
    everything: bool
    mark: Mark


@dataclass(frozen=True, slots=True)
class Positions:
    """Some SKUs at one moment: all parts are in step with each other.

    ``units`` is (S, L): available at each location, 0 where it is inactive;
    ``counted_seconds`` (S, L) when that record was last counted, 0 if there is none.
    Columns are those of ``network``. ``counts`` are by SKU, then channel; ``moves``
    count how often the stock of a SKU moved other than by promises on channels.
    """

    skus: tuple[Sku, ...]
    network: Network
    setup: Setup
    units: IntArray
    counted_seconds: SecondsArray
    counts: Mapping[Sku, Mapping[str, Counts]]
    version: int
    moves: Mapping[Sku, int] = field(default_factory=dict)


def counted_by(reservation: Reservation) -> dict[tuple[str, str], Counts]:
    """Return what a reservation adds to the counts, in the order of (channel, SKU)."""
    added: dict[tuple[str, str], Counts] = {}
    channel_id = reservation.channel_id
    for claim in reservation.claims if channel_id else ():
        key = (channel_id, claim.sku)
        added[key] = added.get(key, Counts()).plus(0, claim.quantity)
    for each in reservation.queued:
        key = (each.channel_id, each.sku)
        counts = each.quantity if each.channel_id else 0
        added[key] = added.get(key, Counts()).plus(each.quantity, counts)
    return dict(sorted(added.items()))
