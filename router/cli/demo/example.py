"""The worked example in Lightspeed's documentation of multi-outlet orders.

From its help page "Gestion des stocks de plusieurs établissements avec
l'intégration eCom (E-Series)"; chemise, chapeau and chaussures are shirt, hat and
shoes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

MONTREAL, SHERBROOKE, LAVAL = "Montréal", "Sherbrooke", "Laval"
OUTLETS = (MONTREAL, SHERBROOKE, LAVAL)
"""In rank order."""
SKUS = ("shirt", "hat", "shoes")
STOCK = {
    MONTREAL: {"shirt": 10, "hat": 3, "shoes": 5},
    SHERBROOKE: {"shirt": 0, "hat": 10, "shoes": 10},
    LAVAL: {"shirt": 15, "hat": 10, "shoes": 10},
}
"""Units on hand by outlet, then SKU."""


@dataclass(frozen=True, slots=True)
class SeedOrder:
    """One row of the printed table.

    ``title`` is ``wanted`` in words; ``outlets`` may ship; ``printed`` is the plan,
    in units by outlet and SKU; ``note`` explains it in one line.
    """

    order_id: str
    title: str
    wanted: Mapping[str, int]
    outlets: tuple[str, ...]
    printed: Mapping[tuple[str, str], int]
    note: str


_FIRST_TWO = (MONTREAL, SHERBROOKE)

ORDERS = (
    SeedOrder(
        "seed-1",
        "2 shirts, 1 hat, 1 pair of shoes",
        {"shirt": 2, "hat": 1, "shoes": 1},
        _FIRST_TWO,
        {(MONTREAL, "shirt"): 2, (MONTREAL, "hat"): 1, (MONTREAL, "shoes"): 1},
        "Montréal holds all of it.",
    ),
    SeedOrder(
        "seed-2",
        "1 shirt, 5 hats",
        {"shirt": 1, "hat": 5},
        _FIRST_TWO,
        {(MONTREAL, "shirt"): 1, (SHERBROOKE, "hat"): 5},
        "Neither holds both: the order is split, and no line is.",
    ),
    SeedOrder(
        "seed-3",
        "5 hats, 2 pairs of shoes",
        {"hat": 5, "shoes": 2},
        _FIRST_TWO,
        {(SHERBROOKE, "hat"): 5, (SHERBROOKE, "shoes"): 2},
        "Montréal has the shoes, but Sherbrooke alone can ship the whole order.",
    ),
    SeedOrder(
        "seed-4",
        "1 shirt, 12 hats, 2 pairs of shoes",
        {"shirt": 1, "hat": 12, "shoes": 2},
        _FIRST_TWO,
        {
            (MONTREAL, "shirt"): 1,
            (MONTREAL, "shoes"): 2,
            (MONTREAL, "hat"): 3,
            (SHERBROOKE, "hat"): 9,
        },
        "Neither holds 12 hats: that line is split, and only that one.",
    ),
    SeedOrder(
        "seed-5",
        "17 shirts, 6 hats, 6 pairs of shoes",
        {"shirt": 17, "hat": 6, "shoes": 6},
        OUTLETS,
        {
            (LAVAL, "shirt"): 15,
            (LAVAL, "hat"): 6,
            (LAVAL, "shoes"): 6,
            (MONTREAL, "shirt"): 2,
        },
        "None holds 17 shirts. Laval ships the most of it, Montréal the 2 missing.",
    ),
)
"""The five orders, in the order of the table."""
