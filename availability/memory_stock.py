"""Stock in memory: what routing reads where there is no ledger."""

from collections.abc import Iterable, Sequence

from availability.errors import (
    InvalidChange,
    OrderAlreadyRouted,
    PlanNotFound,
    RequestReused,
    StockConflict,
    Violation,
)
from availability.model import (
    MAX_STOCK_UNITS,
    Location,
    LocationId,
    Network,
    Request,
    Sku,
    StockRecord,
)
from availability.positions import Counts, Positions, counted_by
from availability.reservations import Claim, Reservation
from availability.setup.setup import NOTHING_SAID, Setup
from availability.stock_grid import StockGrid
from availability.stock_view import CapacitiesLeft, RoutingView


class MemoryStock:
    """Stock with no database: for files, replays and tests.

    Safe to use from one thread only. Capacities are counted from what each
    location has as if the day began when the object was made.

    Raises
    ------
    InvalidChange
        A record names an unknown location, repeats one, or holds a quantity out
        of range; every such record is listed.
    """

    def __init__(
        self,
        locations: Iterable[Location],
        records: Iterable[StockRecord],
        setup: Setup = NOTHING_SAID,
    ) -> None:
        self._network = Network.of(locations)
        self._grid = StockGrid(self._network)
        self._capacity: dict[LocationId, tuple[int | None, int | None]] = {
            each.location_id: (each.capacity_orders, each.capacity_units)
            for each in self._network.locations
            if each.capacity_orders is not None or each.capacity_units is not None
        }
        self._replies: dict[str, bytes] = {}
        self._requests: dict[str, tuple[bytes, bytes]] = {}
        self._live: dict[str, str] = {}
        self._setup = setup
        self._counts: dict[Sku, dict[str, Counts]] = {}
        self._fill(records)

    def _fill(self, records: Iterable[StockRecord]) -> None:
        violations: list[Violation] = []
        keys: set[tuple[str, str]] = set()
        for n, record in enumerate(records):
            column = self._network.index.get(record.location_id)
            key = (record.location_id, record.sku)
            if column is None:
                message = f"no location {record.location_id!r}"
                path = f"records[{n}].location_id"
                violations.append(Violation(path, "UNKNOWN_LOCATION", message))
            elif key in keys:
                message = f"{record.sku!r} at {record.location_id!r} comes twice"
                violations.append(Violation(f"records[{n}]", "DUPLICATE", message))
            elif not 0 <= record.on_hand <= MAX_STOCK_UNITS:
                message = f"must be 0 to {MAX_STOCK_UNITS}, got {record.on_hand}"
                path = f"records[{n}].on_hand"
                violations.append(Violation(path, "OUT_OF_RANGE", message))
            else:
                keys.add(key)
                # As in the ledger: what is inactive has nothing available.
                active = self._network.locations[column].active
                units = record.available if active else 0
                # These records are known, though not when they were counted.
                counted = record.counted_seconds or 1
                self._grid.set(record.sku, column, units, counted)
        if violations:
            raise InvalidChange(violations)

    def network(self) -> Network:
        """Return all locations."""
        return self._network

    def grid(self) -> StockGrid:
        """Return the available units."""
        return self._grid

    def capacity_left(self) -> CapacitiesLeft:
        """Return what is left of the capacities."""
        return self._capacity

    def routing_view(self) -> RoutingView:
        """Return what planning an order reads."""
        return RoutingView(self._setup, self._grid, self._capacity)

    def setup(self) -> Setup:
        """Return the setup of channels."""
        return self._setup

    def positions(self, skus: Sequence[Sku]) -> Positions:
        """Return what is known of some SKUs."""
        rows = [self._grid.rows.get(sku, -1) for sku in skus]
        units, counted = self._grid.read(rows), self._grid.read_counted(rows)
        missing = [n for n, row in enumerate(rows) if row < 0]
        units[missing], counted[missing] = 0, 0
        return Positions(
            tuple(skus),
            self._network,
            self._setup,
            units,
            counted,
            {sku: dict(self._counts[sku]) for sku in skus if sku in self._counts},
            self._grid.version,
        )

    def take(self, claims: Sequence[Claim]) -> None:
        """Consume stock: all claims or, if one of them is not there, none.

        Claims are as in a `Reservation`. They count as one order at each of their
        locations.

        Raises
        ------
        StockConflict
            Less is available than claimed.
        """
        left: dict[tuple[Sku, int], int] = {}
        for claim in claims:
            column = self._network.index.get(claim.location_id)
            row = self._grid.rows.get(claim.sku)
            if column is None or row is None:
                raise StockConflict(f"no {claim.sku!r} at {claim.location_id!r}")
            at = (claim.sku, column)  # several lines may want one SKU of one place
            before = left.get(at, int(self._grid.read([row])[0, column]))
            left[at] = before - claim.quantity
            if left[at] < 0:
                raise StockConflict(
                    f"{claim.quantity} of {claim.sku!r} claimed at "
                    f"{claim.location_id!r}, {before} available"
                )
        for (sku, column), units in left.items():
            self._grid.set(sku, column, units)
        if claims:
            self._grid.version += 1
            self._use_capacity(claims)

    def _use_capacity(self, claims: Sequence[Claim]) -> None:
        units: dict[LocationId, int] = {}
        for claim in claims:
            if claim.location_id in self._capacity:
                before = units.get(claim.location_id, 0)
                units[claim.location_id] = before + claim.quantity
        for location_id, taken in units.items():
            orders_left, units_left = self._capacity[location_id]
            self._capacity[location_id] = (
                None if orders_left is None else max(0, orders_left - 1),
                None if units_left is None else max(0, units_left - taken),
            )

    def reserve(self, reservation: Reservation) -> bytes:
        """Take the claims and keep the reply; see `RoutableStock.reserve`."""
        request = reservation.request
        first = self._first_reply(request)
        if first is not None:
            return first
        live = self._live.get(reservation.order_id)
        if live is not None:
            raise OrderAlreadyRouted(reservation.order_id, live)
        self.promise(reservation)
        if reservation.claims:
            self._live[reservation.order_id] = reservation.plan_id
        self._replies[reservation.plan_id] = reservation.reply
        if request.request_id:
            self._requests[request.request_id] = (request.digest, reservation.reply)
        return reservation.reply

    def promise(self, reservation: Reservation) -> None:
        """Take the claims and count what is promised; who promised is not kept.

        Raises
        ------
        StockConflict
            Less is available than claimed, or a guard is passed.
        """
        self._check_guards(reservation)
        self.take(reservation.claims)
        self._count(reservation)

    def _check_guards(self, reservation: Reservation) -> None:
        added = counted_by(reservation)
        for guard in reservation.guards:
            total = 0
            for channel_id in guard.channel_ids:
                before = self._counts.get(guard.sku, {}).get(channel_id, Counts())
                more = added.get((channel_id, guard.sku), Counts())
                place = 0 if guard.queued else 1
                total += before[place] + more[place]
            if total > guard.most_units:
                raise StockConflict(f"no more of {guard.sku!r} is for sale")

    def _count(self, reservation: Reservation) -> None:
        for (channel_id, sku), (queued, promised) in counted_by(reservation).items():
            of_sku = self._counts.setdefault(Sku(sku), {})
            before = of_sku.get(channel_id, Counts())
            of_sku[channel_id] = before.plus(queued, promised)

    def replay(self, request: Request) -> bytes | None:
        """Return the first reply to a request; see `RoutableStock.replay`."""
        return self._first_reply(request)

    def _first_reply(self, request: Request) -> bytes | None:
        known = self._requests.get(request.request_id)
        if known is None:
            return None
        digest, reply = known
        if digest != request.digest:
            raise RequestReused(request.request_id)
        return reply

    def plan(self, plan_id: str) -> bytes:
        """Return the reply stored with a plan.

        Raises
        ------
        PlanNotFound
            No plan has this id.
        """
        reply = self._replies.get(plan_id)
        if reply is None:
            raise PlanNotFound(plan_id)
        return reply
