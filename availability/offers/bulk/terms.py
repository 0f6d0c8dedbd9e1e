"""The settings of each (channel, SKU) as arrays, and one block of them.

``C`` channels, ``S`` SKUs, ``B`` SKUs of a block.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import product
from operator import attrgetter

import numpy as np

from availability.model import BoolArray, IntArray, Sku
from availability.offers.bulk.arrays import NO_BOUND, NOT_GIVEN, TermArrays
from availability.offers.market import Market
from availability.setup.channels import FULL_PERMILLE
from availability.setup.settings import FIELDS, Backorders, Settings

_BACKORDERS = tuple(Backorders)

DEFAULTS = {
    "managed": 1,
    "backorders": 0,
    "out_of_stock_threshold_units": 0,
    "preorder_units": NOT_GIVEN,
    "release_seconds": NOT_GIVEN,
    "availability_threshold_units": 0,
    "publication_threshold_units": 0,
    "low_units": 0,
    "min_units": 1,
    "max_units": 0,
    "multiple_units": 1,
    "customer_units": NOT_GIVEN,
    "fixed_units": NOT_GIVEN,
    "share_permille": FULL_PERMILLE,
    "buffer_units": 0,
    "floor_units": 0,
}
"""What counts where no level gives a value: the defaults of `Effective`."""

TERMS = DEFAULTS | {"preorder_common": 0, "floor_declared": 0}
"""Every term and its default."""


def terms(
    market: Market,
    skus: Sequence[Sku],
    now_seconds: int,
    channels: Sequence[int] | None = None,
) -> TermArrays:
    """Return the terms of these SKUs, each named once, level over level.

    A term that no level sets by SKU has one column, one that none sets by channel
    has one row: most markets set few, and a million SKUs are not multiplied.
    The rows are of ``channels``, places in the market (None: all). Takes a look for
    each SKU, and one for each (channel, SKU) if any has settings.
    """
    book = market.book
    places = range(len(market.channels)) if channels is None else channels
    names = [market.channels[at].channel_id for at in places]
    everything = _TermColumns.of([book.everything], now_seconds, common=True)
    by_channel = _TermColumns.of(map(book.channels.get, names), now_seconds)
    its = map(book.skus.get, skus) if book.skus else []
    by_sku = _TermColumns.of(its, now_seconds, common=True)
    cells, rows, columns = _cells(book.channel_skus, names, skus)
    by_cell = _TermColumns.of(cells, now_seconds)
    arrays: dict[str, IntArray] = {}
    for name, default in TERMS.items():
        shape = (
            len(names) if name in by_channel.values or name in by_cell.values else 1,
            len(skus) if name in by_sku.values or name in by_cell.values else 1,
        )
        value = everything.values[name][0] if name in everything.values else default
        array = np.full(shape, value, np.int64)
        if name in by_channel.values:
            values, given = by_channel.of_all(name)
            np.copyto(array, values[:, None], where=given[:, None])
        if name in by_sku.values:
            values, given = by_sku.of_all(name)
            np.copyto(array, values, where=given)
        if name in by_cell.values:
            values, given = by_cell.of_all(name)
            array[rows[given], columns[given]] = values[given]
        arrays[name] = array
    return TermArrays(**arrays, channels=None if channels is None else tuple(channels))


def _cells(
    given_at: Mapping[tuple[str, Sku], Settings],
    names: Sequence[str],
    skus: Sequence[Sku],
) -> tuple[list[Settings], IntArray, IntArray]:
    """Return the settings of SKUs on channels, with the row and the column of each."""
    settings: list[Settings] = []
    places: list[int] = []
    # Looking all up is faster than walking, for as many.
    if 2 * len(given_at) < len(names) * len(skus):
        rows = {name: at * len(skus) for at, name in enumerate(names)}
        columns = {sku: at for at, sku in enumerate(skus)} if given_at else {}
        for (name, sku), each in given_at.items():
            if name in rows and sku in columns:
                settings.append(each)
                places.append(rows[name] + columns[sku])
    else:
        found = map(given_at.get, product(names, skus))
        for place, cell in enumerate(found):
            if cell is not None:
                settings.append(cell)
                places.append(place)
    at_rows, at_columns = np.divmod(np.array(places, np.int64), max(1, len(skus)))
    return settings, at_rows, at_columns


class _TermColumns:
    """Settings of many scopes; each distinct object of settings is read once.

    ``values`` has, by term, the value in each of the objects, and ``given`` whether
    it has one; ``objects`` is which object each place has.
    """

    def __init__(self, objects: IntArray) -> None:
        self.objects = objects
        self.values: dict[str, IntArray] = {}
        self.given: dict[str, BoolArray] = {}

    @classmethod
    def of(
        cls,
        places: Iterable[Settings | None],
        now_seconds: int,
        *,
        common: bool = False,
    ) -> "_TermColumns":
        """Read the settings of each scope; None has no value.

        ``common`` is whether they are for all channels together.
        """
        settings = list(places)
        ids = np.fromiter(map(id, settings), np.int64, len(settings))
        _, first, objects = np.unique(ids, return_index=True, return_inverse=True)
        given_at = cls(objects)
        for at, place in enumerate(first.tolist()):
            its = settings[place]
            values = {} if its is None else _encode(its, now_seconds, common)
            for name, value in values.items():
                if name not in given_at.values:
                    given_at.values[name] = np.zeros(len(first), np.int64)
                    given_at.given[name] = np.zeros(len(first), np.bool_)
                given_at.values[name][at] = value
                given_at.given[name][at] = True
        return given_at

    def of_all(self, name: str) -> tuple[IntArray, BoolArray]:
        """Return, for each place, the value of a term and whether it has one."""
        return self.values[name][self.objects], self.given[name][self.objects]


_SAID_AS_IT_IS = tuple(
    name for name in DEFAULTS if name in FIELDS and name != "backorders"
)
_values_of = attrgetter(*_SAID_AS_IT_IS)


def _encode(settings: Settings, now_seconds: int, common: bool) -> dict[str, int]:
    """Return the terms that are given at one level."""
    values = {
        name: int(value)
        for name, value in zip(_SAID_AS_IT_IS, _values_of(settings), strict=True)
        if value is not None
    }
    if settings.backorders is not None:
        values["backorders"] = _BACKORDERS.index(settings.backorders)
    if settings.floor_units is not None:
        values["floor_declared"] = 1
    if settings.customer_limit is not None:
        values["customer_units"] = settings.customer_limit.max_units
    if settings.preorders is not None:
        open_now = [each for each in settings.preorders if each.open_at(now_seconds)]
        values["preorder_common"] = int(common)
        values["preorder_units"] = open_now[0].left_units if open_now else NOT_GIVEN
        values["release_seconds"] = (
            open_now[0].release_seconds if open_now else NOT_GIVEN
        )
    return values


_UNBOUNDED = {"max_units": 0, "customer_units": NOT_GIVEN}
"""Terms that are bounds, and the value that stands for none."""
SMALL_SKUS = 64
"""In a block of up to so many SKUs, terms that are the default for all are left out."""


class GivenTerms:
    """The terms that differ from their default somewhere, for the asked channels.

    ``max_units`` and ``customer_units`` are NO_BOUND where there is none.

    Raises
    ------
    ValueError
        A channel is not among those that the terms are of.
    """

    def __init__(self, arrays: TermArrays, channels: Sequence[int]) -> None:
        places = list(channels)
        if arrays.channels is not None:
            places = [arrays.channels.index(at) for at in channels]
        self._rows: dict[str, IntArray] = {}
        self._defaults: dict[str, int] = {}
        for name, default in TERMS.items():
            rows: IntArray = getattr(arrays, name)
            if len(rows) > 1 and places != list(range(len(rows))):
                rows = rows[places]
            if rows.size == 1 and rows.item() == default:
                continue
            if name in _UNBOUNDED:
                rows = np.where(rows == _UNBOUNDED[name], NO_BOUND, rows)
                default = NO_BOUND
            self._rows[name], self._defaults[name] = rows, default
        self._constant = {
            name: rows for name, rows in self._rows.items() if rows.shape[1] == 1
        }
        self._varying = [name for name in self._rows if name not in self._constant]

    @cached_property
    def _differing(self) -> IntArray:
        """(S,): a bit for each term that varies, where it is not the default."""
        first = self._rows[self._varying[0]]
        bits = np.zeros(first.shape[1], np.int64)
        for at, name in enumerate(self._varying):
            differs = (self._rows[name] != self._defaults[name]).any(axis=0)
            bits |= differs.astype(np.int64) << at
        return bits

    def block(self, skus: slice) -> "BlockTerms":
        """Return the terms of some SKUs."""
        found = dict(self._constant)
        bits = -1
        if self._varying and skus.stop - skus.start <= SMALL_SKUS:
            # A call of numpy costs more than its work on so few: it pays to look.
            bits = int(np.bitwise_or.reduce(self._differing[skus]))
        for at, name in enumerate(self._varying):
            if bits >> at & 1:
                found[name] = self._rows[name][:, skus]
        return found


BlockTerms = Mapping[str, IntArray]
"""Terms by name, (C or 1, B or 1): one that is missing has its default everywhere."""
