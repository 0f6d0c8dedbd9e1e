"""The command line as a shell runs it, and files for it to read."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[3]
SECONDS = 60

SEED_STOCK = """\
location,sku,on_hand
Montréal,shirt,10
Montréal,hat,3
Montréal,shoes,5
Sherbrooke,shirt,0
Sherbrooke,hat,10
Sherbrooke,shoes,10
Laval,shirt,15
Laval,hat,10
Laval,shoes,10
"""


def environment(**more: str) -> dict[str, str]:
    """Return ours, with the package to be found from any folder."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", **more}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "router.cli", *arguments]


def run(
    *arguments: str, folder: Path, stdin: str = "", **env: str
) -> subprocess.CompletedProcess[str]:
    """Run `repartir` in a folder, with pipes for everything, to its end."""
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env=environment(**env),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def order(order_id: str, **units: int) -> dict[str, object]:
    """Return an order in the contract's JSON form, one line for each SKU."""
    lines = [{"line_id": s, "sku": s, "quantity": n} for s, n in units.items()]
    return {"order_id": order_id, "lines": lines}


def jsonl(orders: Sequence[Mapping[str, object] | str]) -> str:
    """Return a file of orders; a string is a line of its own."""
    lines = (each if isinstance(each, str) else json.dumps(each) for each in orders)
    return "".join(f"{line}\n" for line in lines)
