"""A report's nouns: plain numbers, correct once built, the same after JSON and back."""

import functools
import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

MAX_OUTCOMES = 12
"""More policies are not compared side by side."""
_VERSION = 1


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)


@dataclass(frozen=True, slots=True)
class LocationLoad:
    """What one location is given: orders it ships anything of, and units."""

    location_id: str
    orders: int
    units: int


@dataclass(frozen=True, slots=True)
class Count:
    """How many there are of one kind: orders or units, for one reason."""

    reason: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingOutcome:
    """The plans of all orders together: before, after, or under one policy.

    ``shipments_per_order[n]`` orders have ``n`` shipments; unshipped orders count
    at 0. Units are those of lines: a kit counts as one. ``unassigned``
    has the unassigned units by reason, as far as reasons are known. ``refused_orders``
    are outside a channel's limits and ship nothing.

    ``moved_orders`` ship otherwise than in the report's first outcome;
    ``gained_orders`` are complete here and not there, ``lost_orders`` there and not
    here. All three are 0 in the first.

    Raises
    ------
    ValueError
        The numbers contradict each other.
    """

    name: str
    orders: int
    complete_orders: int
    shipments: int
    split_orders: int
    split_lines: int
    assigned_units: int
    unassigned_units: int
    shipments_per_order: tuple[int, ...]
    loads: tuple[LocationLoad, ...] = ()
    unassigned: tuple[Count, ...] = ()
    refused_orders: int = 0
    unproven_orders: int = 0
    moved_orders: int = 0
    gained_orders: int = 0
    lost_orders: int = 0

    def __post_init__(self) -> None:
        spread = self.shipments_per_order
        named = f"outcome {self.name!r}"
        _check(
            sum(spread) == self.orders,
            f"{named}: shipments_per_order is of {sum(spread)} orders, not of "
            f"{self.orders}",
        )
        shipments = sum(n * orders for n, orders in enumerate(spread))
        _check(
            shipments == self.shipments,
            f"{named}: shipments_per_order has {shipments} shipments, not "
            f"{self.shipments}",
        )
        _check(
            sum(spread[2:]) == self.split_orders,
            f"{named}: {sum(spread[2:])} orders have two shipments or more, not "
            f"{self.split_orders}",
        )
        parts = (self.complete_orders, self.refused_orders, self.unproven_orders)
        changes = (self.moved_orders, self.gained_orders, self.lost_orders)
        _check(
            all(0 <= each <= self.orders for each in (*parts, *changes)),
            f"{named}: a part of the orders is not 0 to {self.orders}",
        )
        _check(
            min(spread, default=0) >= 0
            and min(self.split_lines, self.assigned_units, self.unassigned_units) >= 0,
            f"{named}: a number is negative",
        )


@dataclass(frozen=True, slots=True)
class Bound:
    """What no plan can beat: ``shipments``, when ``complete_orders`` are complete.

    ``source`` says where it comes from: static, LP prices... A gap means nothing
    without it.
    """

    shipments: int
    complete_orders: int
    source: str


@dataclass(frozen=True, slots=True)
class Point:
    """What was known of the shipments after some time; None: nothing yet."""

    seconds: float
    value: int | None
    bound: int | None


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the work, and how long it took."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a re-routing or a replay did to some orders.

    The first outcome is the base of comparison: before, or the first policy. The
    last is what ``bound`` and ``series`` are about. ``conflicts`` are orders whose
    stock others took meanwhile, ``kept`` the orders that stay as they were, by
    reason. ``notes`` are sentences for the reader; ``made_at`` is shown as given.

    Raises
    ------
    ValueError
        No outcomes, too many, two of one name, or of different orders.
    """

    title: str
    outcomes: tuple[RoutingOutcome, ...]
    bound: Bound | None = None
    conflicts: int = 0
    kept: tuple[Count, ...] = ()
    series: tuple[Point, ...] = ()
    phases: tuple[Phase, ...] = ()
    notes: tuple[str, ...] = ()
    made_at: str = ""

    def __post_init__(self) -> None:
        names = [each.name for each in self.outcomes]
        _check(
            1 <= len(names) <= MAX_OUTCOMES,
            f"a report has 1 to {MAX_OUTCOMES} outcomes, got {len(names)}",
        )
        _check(len(set(names)) == len(names), "two outcomes have one name")
        _check(
            len({each.orders for each in self.outcomes}) == 1,
            "the outcomes are of different numbers of orders",
        )

    @property
    def base(self) -> RoutingOutcome:
        """What the others are compared with."""
        return self.outcomes[0]

    @property
    def last(self) -> RoutingOutcome:
        """What was done in the end."""
        return self.outcomes[-1]

    @property
    def removed_shipments(self) -> int:
        """Shipments that the last outcome has fewer than the first."""
        return self.base.shipments - self.last.shipments

    @property
    def removable_shipments(self) -> int | None:
        """Most shipments that any plan can have fewer than the first outcome.

        None where that is not known: without a bound, or where it is of another
        number of complete orders than the first outcome has.
        """
        return self._above_bound(self.base)

    @property
    def gap_shipments(self) -> int | None:
        """Shipments of the last outcome above the bound; None as above."""
        return self._above_bound(self.last)

    def _above_bound(self, outcome: RoutingOutcome) -> int | None:
        bound = self.bound
        if bound is None or bound.complete_orders != outcome.complete_orders:
            return None
        return max(0, outcome.shipments - bound.shipments)

    def to_json(self) -> str:
        """Return the report as one line of JSON, with what follows from it."""
        derived = {
            "removed_shipments": self.removed_shipments,
            "removable_shipments": self.removable_shipments,
            "gap_shipments": self.gap_shipments,
        }
        document = {"version": _VERSION, "derived": derived, **asdict(self)}
        return json.dumps(document, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Report":
        """Return the report that `to_json` wrote.

        Raises
        ------
        ValueError
            It is no report, or one of another version: the message begins with the
            path of the first fault.
        """
        try:
            found = _documents().validate_json(text, strict=True, extra="forbid")
        except ValidationError as error:
            first = error.errors()[0]
            path = "".join(
                f"[{each}]" if isinstance(each, int) else f".{each}"
                for each in first["loc"]
            )
            raise ValueError(f"{path[1:] or 'report'}: {first['msg']}") from None
        return cls(**{each.name: getattr(found, each.name) for each in fields(cls)})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document(Report):
    """A report as it is written; what follows from it is not read."""

    version: Literal[1]
    derived: Any = None


@functools.cache
def _documents() -> TypeAdapter[_Document]:
    return TypeAdapter(_Document)
