"""How much a snapshot may remove without --force."""

import re
from dataclasses import dataclass, fields

from availability.model import ImportResult
from router.cli.console.exits import fail

DEFAULT_PERCENT = "20"

_PERCENT = re.compile(r"([0-9]{1,3})(?:\.([0-9]))?")


def percent_permille(option: str, text: str) -> int:
    """Return a percentage in permille; end the command if it is bad."""
    match = _PERCENT.fullmatch(text)
    permille = int(match[1] + (match[2] or "0")) if match else -1
    if not 0 <= permille <= 1_000:
        raise fail(
            f"{option} must be a percentage, 0 to 100 with at most one decimal, "
            f"got {text[:80]!r}"
        )
    return permille


@dataclass(slots=True)
class Totals:
    """What all requests of an import change together; counts and units."""

    changed_count: int = 0
    zeroed_count: int = 0
    dropped_count: int = 0
    known_count: int = 0
    dropped_units: int = 0
    known_units: int = 0

    def add(self, result: ImportResult) -> None:
        """Add the result of one more request."""
        for name in (each.name for each in fields(self)):
            setattr(self, name, getattr(self, name) + getattr(result, name))

    def drops_more_than(self, permille: int) -> bool:
        """Return whether the share of records or that of units is larger."""
        return (
            self.dropped_count * 1_000 > self.known_count * permille
            or self.dropped_units * 1_000 > self.known_units * permille
        )

    @property
    def drop(self) -> str:
        """What is removed, for people; shares are rounded up."""
        records = _share("records", self.dropped_count, self.known_count)
        return f"{records} and {_share('units', self.dropped_units, self.known_units)}"


def _share(what: str, part: int, whole: int) -> str:
    permille = -(-part * 1_000 // whole) if whole else 0
    return f"{part:,} of {whole:,} {what} ({permille / 10:.1f} %)"
