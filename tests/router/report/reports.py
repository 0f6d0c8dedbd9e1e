"""Short ways to write down outcomes and reports."""

from typing import Any

from router.report.model import (
    Bound,
    Count,
    LocationLoad,
    Phase,
    Point,
    Report,
    RoutingOutcome,
)


def outcome(name: str = "after", *spread: int, **more: Any) -> RoutingOutcome:
    """Return an outcome of orders with 0, 1, 2... shipments, all complete."""
    counts = spread or (0, 4)
    given: dict[str, Any] = {
        "name": name,
        "orders": sum(counts),
        "complete_orders": sum(counts[1:]),
        "shipments": sum(n * each for n, each in enumerate(counts)),
        "split_orders": sum(counts[2:]),
        "split_lines": 0,
        "assigned_units": 9,
        "unassigned_units": 0,
        "shipments_per_order": counts,
    }
    return RoutingOutcome(**{**given, **more})


def rerouting(**more: Any) -> Report:
    """Return 104 shipments made 101, with a bound of 100."""
    given: dict[str, Any] = {
        "title": "Re-routing",
        "outcomes": (
            outcome("before", 0, 96, 4, loads=(LocationLoad("dc", 60, 70),)),
            outcome(
                "after", 0, 99, 1, loads=(LocationLoad("shop", 1, 2),), moved_orders=3
            ),
        ),
        "bound": Bound(100, 100, "LP prices"),
        "conflicts": 1,
        "kept": (Count("cap on moves", 2),),
        "series": (Point(0.5, None, 90), Point(1.0, 104, 100), Point(2.0, 101, 100)),
        "phases": (Phase("repair", 1.5),),
        "notes": ("Nothing else.",),
        "made_at": "2026-11-22",
    }
    return Report(**{**given, **more})
