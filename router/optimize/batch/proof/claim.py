"""A certificate as data: a plan, prices, and what is claimed of them."""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from router.optimize.batch.pricing.nodes import EXACT_NODES
from router.optimize.batch.problem import MOVES, PLACES

_NUMBERS = (
    "patience",
    "move_rate",
    "nodes",
    "place_rate",
    "place_move",
    "place_patience",
    "place_nodes",
)


class CertificateError(ValueError):
    """A certificate says what is not so."""


class LevelValue(NamedTuple):
    """A level's value, what none can beat with the levels before as good, and why.

    ``provenance`` is ``static`` (0, of course), ``lagrangian`` or ``proven`` (value
    and bound meet).
    """

    level: str
    value: int
    bound: int
    provenance: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """A plan, prices in 1 / `SCALE`, and what is claimed of them.

    ``plan`` are pieces (line, location, units), ``prices`` (SKU, location, price) of
    a unit, ``sku_prices`` (SKU, price) and ``total_prices`` (any unit,
    any shipment) at the first level, ``unit_prices`` and
    ``order_prices`` (location, price) of capacities, ``patience`` the price of weight
    that waits, ``move_rate`` what a shipment is worth where moves are counted.
    ``nodes`` bounds the branching. At the level ``places`` the same prices count
    ``place_rate`` times, ``place_prices`` are added, and ``place_move``,
    ``place_patience`` and ``place_nodes`` are of a move, waiting and branching.
    """

    plan: tuple[tuple[int, int, int], ...]
    prices: tuple[tuple[int, int, int], ...]
    sku_prices: tuple[tuple[int, int], ...] = ()
    total_prices: tuple[int, int] = (0, 0)
    unit_prices: tuple[tuple[int, int], ...] = ()
    order_prices: tuple[tuple[int, int], ...] = ()
    patience: int = 0
    move_rate: int = 0
    nodes: int = EXACT_NODES
    place_prices: tuple[tuple[int, int, int], ...] = ()
    place_rate: int = 0
    place_move: int = 0
    place_patience: int = 0
    place_nodes: int = 0
    claims: tuple[tuple[str, int, int], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return numbers, strings and lists only."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Certificate":
        """Return the certificate that `to_json` wrote, from lists to tuples.

        Raises
        ------
        CertificateError
            Something is missing, or is no whole number.
        """
        try:
            columns = {
                name: tuple(tuple(row) for row in document[name])
                for name in (
                    "plan",
                    "prices",
                    "sku_prices",
                    "unit_prices",
                    "place_prices",
                    "order_prices",
                    "claims",
                )
            }
            numbers = {name: document[name] for name in _NUMBERS}
            unit, shipment = document["total_prices"]
            numbers.update(unit=unit, shipment=shipment)
            fields: dict[str, Any] = {name: document[name] for name in _NUMBERS}
            fields.update(columns, total_prices=(unit, shipment))
            certificate = cls(**fields)
        except (KeyError, TypeError, ValueError) as error:
            raise CertificateError(f"not a certificate: {error}") from error
        if not all(type(each) is int for each in numbers.values()):
            raise CertificateError(f"{', '.join(numbers)} are not whole numbers")
        for name, rows in columns.items():
            for row in rows:
                counts = row[1:] if name == "claims" else row
                if not all(type(each) is int for each in counts):
                    raise CertificateError(f"{name}: {row} are not whole numbers")
        return certificate


def levels_of(certificate: Certificate) -> tuple[LevelValue, ...]:
    """Return what is claimed, unverified."""
    return tuple(level_of(*claim) for claim in certificate.claims)


def level_of(name: str, value: int, bound: int) -> LevelValue:
    """Return a level's value and bound with what they come from."""
    if value == bound:
        return LevelValue(name, value, bound, "proven")
    static = bound == 0 and name in (MOVES, PLACES)
    return LevelValue(name, value, bound, "static" if static else "lagrangian")
