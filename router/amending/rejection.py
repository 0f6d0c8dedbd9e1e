"""Why a location refused units, and which."""

import enum
from dataclasses import dataclass
from typing import NamedTuple

from availability.model import LocationId, Sku


class RejectionReason(enum.StrEnum):
    """Why a location does not ship what it was given."""

    NOT_IN_STOCK = "not_in_stock"
    """It has none: its count goes to zero."""
    MISMATCH = "mismatch"
    """It has fewer than were counted: the rejected units are taken off its count."""
    DAMAGED = "damaged"
    """They can not be sold: the rejected units are withdrawn from sale."""
    TOO_BUSY = "too_busy"
    """Too much to do. Its stock is as counted."""
    CLOSED = "closed"
    """It is closed. Its stock is as counted."""
    OTHER = "other"
    """Anything else. Its stock is as counted."""


class RejectedLine(NamedTuple):
    """Units of one line that are refused; kits, for a kit.

    ``sku`` names the component of a kit whose stock is to be corrected; empty: all.
    """

    line_id: str
    quantity: int
    sku: Sku = Sku("")


@dataclass(frozen=True, slots=True)
class Rejection:
    """A location refuses what a plan gave it; without ``lines`` all of it.

    ``blocking``: it ships nothing more of the order.
    """

    location_id: LocationId
    reason: RejectionReason
    lines: tuple[RejectedLine, ...] = ()
    blocking: bool = False
