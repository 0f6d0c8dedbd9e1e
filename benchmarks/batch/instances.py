"""Every instance by its name, and what is stored about it.

``tight-10k-0`` is drawn: regime, size, seed. ``baskets-30`` is week 30 of the panel.
`checksums.json` holds what each must hash to, `results.json` the best plan and the
best bound known of some.
"""

import json
from pathlib import Path
from typing import Any

from benchmarks.batch import baskets
from benchmarks.batch.generator import COVER, SEEDS, SIZES, draw
from router.optimize.batch.problem import BatchProblem

CHECKSUMS = Path(__file__).with_name("checksums.json")
RESULTS = Path(__file__).with_name("results.json")

BASKETS = "baskets"


def names(size: str) -> list[str]:
    """Return the names of all drawn instances of a size."""
    return [f"{regime}-{size}-{seed}" for regime in COVER for seed in SEEDS]


def all_names() -> list[str]:
    """Return every name there is."""
    weeks = range(baskets.FIRST_WEEK, baskets.LAST_WEEK + 1)
    drawn = [name for size in SIZES for name in names(size)]
    return [*drawn, *(f"{BASKETS}-{week}" for week in weeks)]


def problem_of(name: str) -> BatchProblem:
    """Return an instance.

    Raises
    ------
    ValueError
        There is none of that name.
    """
    if name not in all_names():
        raise ValueError(f"no instance {name}: such as tight-10k-0, {BASKETS}-30")
    kind, *rest = name.split("-")
    if kind == BASKETS:
        return baskets.week(int(rest[0]))
    return draw(kind, SIZES[rest[0]], int(rest[1]))


def stored(path: Path) -> dict[str, Any]:
    """Return what a file of ours says of each instance; nothing if it is not there."""
    content: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return content


def store(path: Path, content: dict[str, Any]) -> None:
    """Write what `stored` returns."""
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
