"""Where routing reads stock, and the simplest thing it can read from: memory."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from availability.model import (
    LocationId,
    Request,
    Sku,
)
from availability.positions import Positions
from availability.reservations import Reservation
from availability.setup.setup import Setup
from availability.stock_grid import StockGrid

CapacitiesLeft = Mapping[LocationId, tuple[int | None, int | None]]
"""(orders, units) that a location may still take today; None: no limit. Only
locations that have a limit are in it."""


class RoutingView(NamedTuple):
    """What planning an order reads, of one moment.

    The columns of ``grid`` are those of ``grid.network``. ``grid``, its network and
    ``setup`` are the same objects until they change. ``capacities`` are those left
    today, empty when there are none.
    """

    setup: Setup
    grid: StockGrid
    capacities: CapacitiesLeft


class StockView(Protocol):
    """What routing reads. Nothing here waits: all of it is in memory."""

    def routing_view(self) -> RoutingView:
        """Return what planning an order reads."""
        ...

    def positions(self, skus: Sequence[Sku]) -> Positions:
        """Return what is known of some SKUs, all of one moment."""
        ...


class RoutableStock(StockView, Protocol):
    """A stock view that can also hold what a plan needs: every ledger is one."""

    def reserve(self, reservation: Reservation) -> bytes:
        """Allocate all claims and store the reply, or do neither.

        A repeat of a request returns the first reply and allocates nothing.

        Raises
        ------
        StockConflict
            A claim is not there any more; the grid shows it by now.
        RequestReused
            The request's id came before with another body.
        OrderAlreadyRouted
            The order has a live plan.
        StoreUnavailable
            The database could not be written.
        """
        ...

    def replay(self, request: Request) -> bytes | None:
        """Return the reply to a request that was made before, or None.

        Raises
        ------
        RequestReused
            The request's id came before with another body.
        """
        ...
