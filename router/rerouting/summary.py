"""The surroundings and the result of a re-routing: plain values, no solver."""

from typing import NamedTuple

from availability.model import Network
from availability.stock_view import CapacitiesLeft
from router.report.model import Bound, Count, Phase, Point, RoutingOutcome
from router.rerouting.joint_problem import Feeding


class Surroundings(NamedTuple):
    """What the orders are decided in: read after them."""

    network: Network
    capacities: CapacitiesLeft
    feeding: Feeding
    version: int


class Summary(NamedTuple):
    """What a re-routing did; ``kept`` are orders that were not decided, by reason."""

    before: RoutingOutcome
    after: RoutingOutcome
    bound: Bound | None
    kept: tuple[Count, ...]
    series: tuple[Point, ...]
    phases: tuple[Phase, ...]
    levels: tuple[tuple[str, int, int, str], ...]
