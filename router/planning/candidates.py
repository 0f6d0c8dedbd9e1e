"""Which locations may ship an order, and what removed each of the others.

What does not depend on the order's destination, refusals or the capacity left is
worked out once for each (filter, channel, shipping method) of a network and kept:
for most orders that is all there is, and finding it is a look-up.
"""

import functools
from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from availability.model import BoolArray, IntArray, LocationId, Network
from availability.stock_view import CapacitiesLeft
from router.identity_cache import by_identity
from router.model import (
    Destination,
    EliminationFilter,
    LocationFilter,
    Order,
    RoutingPolicy,
    Term,
    Walk,
)
from router.planning.columns import Columns, Pool

KEPT_POOLS = 64
"""Most combinations of filter, channel and shipping method that are kept."""

_CODES = {each: code for code, each in enumerate(EliminationFilter)}
_BY_CODE = np.array(list(EliminationFilter), np.object_)
_ELIGIBLE = len(_CODES)
"""The code of a location that no filter removes: after all of theirs."""

Codes = npt.NDArray[np.int8]
"""(N,) of a network: the place in `EliminationFilter` of the first that fails."""
Eliminated = Mapping[LocationId, EliminationFilter]


class Candidates(NamedTuple):
    """Who may ship one order.

    ``pinned`` are columns of the pool that a filter removed but that have already
    picked some of the order: they ship that, and nothing else. ``meters`` is the
    (N,) distance of the columns, if an objective or filter needs it.
    """

    pool: Pool
    eliminated: Eliminated
    pinned: frozenset[int]
    meters: IntArray | None


class CandidateFinder:
    """Finds candidates; keeps what one network and many orders have in common."""

    def __init__(self) -> None:
        self._known = _KnownNetwork(Network(()))

    def find(
        self,
        order: Order,
        policy: RoutingPolicy,
        network: Network,
        capacities: CapacitiesLeft,
        feeding: frozenset[LocationId] | None = None,
    ) -> Candidates:
        """Return the eligible locations and what removed each of the others.

        ``feeding`` are those of the order's channel, None: all that may serve it.
        """
        known = self._known
        if known.network is not network:
            # What was known of the network before is of no use any more.
            known = self._known = _KnownNetwork(network)
        rule = policy.filter
        base = known.base(rule, order.channel_id, order.shipping_method, feeding)
        meters = None
        if order.destination.latitude is not None and (
            rule.max_distance_meters or _measures_distance(policy)
        ):
            meters = known.meters_to(order.destination)
        if not (
            rule.max_distance_meters or capacities or order.rejected or order.frozen
        ):
            pool, eliminated, _ = base
            pinned = _NOBODY
        else:
            codes = base.codes.copy()
            if meters is not None and rule.max_distance_meters:
                far = (
                    meters > rule.max_distance_meters
                ) | ~known.columns.has_coordinates
                _remove(codes, far, EliminationFilter.DISTANCE)
            used_up = _used_up(capacities)
            _remove_named(codes, network, used_up, EliminationFilter.CAPACITY)
            refusing = _refusing(order)
            _remove_named(codes, network, refusing, EliminationFilter.REJECTED)
            pool, eliminated, pinned = known.narrow(base, order, codes)
        if meters is not None:
            meters = pool.take(meters)
        return Candidates(pool, eliminated, pinned, meters)


_NOBODY: frozenset[int] = frozenset()


class _Base(NamedTuple):
    """What holds for every order with one filter, channel and method."""

    pool: Pool
    eliminated: Eliminated
    codes: Codes


class _KnownNetwork:
    """What is computed once per network."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.columns = Columns(network)
        self.base = functools.lru_cache(KEPT_POOLS)(self._base)

    def _base(
        self,
        rule: LocationFilter,
        channel_id: str,
        method: str,
        feeding: frozenset[LocationId] | None,
    ) -> _Base:
        codes = np.full(len(self.network.locations), _ELIGIBLE, np.int8)
        failures = _fixed_failures(self.network, rule, channel_id, method, feeding)
        for by, fails in failures.items():
            _remove(codes, np.array(fails, np.bool_), by)
        pool = Pool(self.columns, np.flatnonzero(codes == _ELIGIBLE))
        return _Base(pool, self.eliminated(codes), codes)

    def meters_to(self, to: Destination) -> IntArray:
        """Return (N,) distances to a destination, in meters."""
        if to.latitude is None or to.longitude is None:
            raise AssertionError("the order was not validated")
        return self.columns.meters_to(to.latitude, to.longitude)

    def narrow(
        self, base: _Base, order: Order, codes: Codes
    ) -> tuple[Pool, Eliminated, frozenset[int]]:
        """Return the pool after all filters, and what it had to keep in spite."""
        index = self.network.index
        held = [index[each.location_id] for each in order.frozen]
        kept = {n for n in held if codes[n] != _ELIGIBLE}
        if not kept and np.array_equal(codes, base.codes):
            return base.pool, base.eliminated, _NOBODY
        codes[list(kept)] = _ELIGIBLE
        places = np.flatnonzero(codes == _ELIGIBLE)
        pinned = np.searchsorted(places, sorted(kept)).tolist()
        pool = Pool(self.columns, places)
        return pool, self.eliminated(codes), frozenset(pinned)

    def eliminated(self, codes: Codes) -> Eliminated:
        """Return the locations removed, in rank order, each with its filter."""
        removed = np.flatnonzero(codes != _ELIGIBLE)
        names = self.columns.names[removed].tolist()
        by = _BY_CODE[codes[removed]].tolist()
        return MappingProxyType(dict(zip(names, by, strict=True)))


@by_identity
def _measures_distance(policy: RoutingPolicy) -> bool:
    terms = [each.term for each in policy.objectives]
    return policy.walk is Walk.NEAREST or Term.DISTANCE_METERS in terms


def _fixed_failures(
    network: Network,
    rule: LocationFilter,
    channel_id: str,
    method: str,
    feeding: frozenset[LocationId] | None,
) -> dict[EliminationFilter, list[bool]]:
    """Return the locations that fail the filters, whatever the order."""
    places = network.locations
    fails = {EliminationFilter.INACTIVE: [not each.active for each in places]}
    if feeding is not None:
        fails[EliminationFilter.CHANNEL] = [
            each.location_id not in feeding for each in places
        ]
    elif channel_id:
        fails[EliminationFilter.CHANNEL] = [
            bool(each.channel_ids) and channel_id not in each.channel_ids
            for each in places
        ]
    if rule.kinds:
        fails[EliminationFilter.KIND] = [each.kind not in rule.kinds for each in places]
    if rule.groups:
        fails[EliminationFilter.GROUP] = [
            rule.groups.isdisjoint(each.groups) for each in places
        ]
    if rule.country_codes:
        fails[EliminationFilter.COUNTRY] = [
            each.country_code not in rule.country_codes for each in places
        ]
    if method:
        fails[EliminationFilter.SHIPPING_METHOD] = [
            bool(each.shipping_methods) and method not in each.shipping_methods
            for each in places
        ]
    if rule.included_location_ids:
        fails[EliminationFilter.NOT_INCLUDED] = [
            each.location_id not in rule.included_location_ids for each in places
        ]
    if rule.excluded_location_ids:
        fails[EliminationFilter.EXCLUDED] = [
            each.location_id in rule.excluded_location_ids for each in places
        ]
    return fails


def _remove(codes: Codes, where: BoolArray, by: EliminationFilter) -> None:
    """Note a filter where no earlier one has removed the location."""
    codes[where & (codes > _CODES[by])] = _CODES[by]


def _remove_named(
    codes: Codes, network: Network, names: Iterable[str], by: EliminationFilter
) -> None:
    for name in names:
        n = network.index.get(name)
        if n is not None:
            codes[n] = min(codes[n], _CODES[by])


def _used_up(capacities: CapacitiesLeft) -> list[str]:
    """Return the locations with no capacity left."""
    return [name for name, left in capacities.items() if 0 in left]


def _refusing(order: Order) -> list[str]:
    """Return who refused every line, or the rest of what it has picked.

    A refusal of some lines is left to the problem, but that cannot say how many
    units of a line a location ships: who keeps some is to ship those and no others.
    """
    refusals = Counter(name for _, name in order.rejected)
    all_refused = [
        name for name, lines in refusals.items() if lines == len(order.lines)
    ]
    return all_refused + [
        each.location_id
        for each in order.frozen
        if (each.line_id, each.location_id) in order.rejected
    ]
