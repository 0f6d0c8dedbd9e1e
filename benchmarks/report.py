"""Print the engine's figures as a table, from pytest-benchmark's JSON.

python -m benchmarks.report FILE
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

ENGINES = ("ours", "greedy", "straightforward_cp_sat")

_NAME = re.compile(r"test_(\w+)\[(\w+)-(\d+)x(\d+)\]")


def rows(results: dict[str, Any]) -> list[str]:
    """Return one line for each shape and size: medians and 99th percentiles."""
    found: dict[tuple[str, int, int], dict[str, dict[str, Any]]] = {}
    for each in results["benchmarks"]:
        match = _NAME.fullmatch(each["name"])
        if match is not None:
            engine, shape, locations, lines = match.groups()
            case = (shape, int(locations), int(lines))
            found.setdefault(case, {})[engine] = each["extra_info"]
    lines = [
        "| stock | locations x lines | shipments | ours p50 | p99 | proven | by |"
        " greedy p50 | worse plans | CP-SAT p50 | ratio |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (shape, locations, count), by_engine in found.items():
        ours = by_engine.get("ours", {})
        theirs = by_engine.get("straightforward_cp_sat", {}).get("p50_micros")
        engines = ", ".join(ours.get("engines", []))
        ratio = f"{theirs / ours['p50_micros']:,.0f}" if theirs and ours else "-"
        lines.append(
            f"| {shape} | {locations} x {count}"
            f" | {ours.get('shipments', 0):.2f}"
            f" | {_micros(ours.get('p50_micros'))} | {_micros(ours.get('p99_micros'))}"
            f" | {ours.get('proven_share', 0):.0%} | {engines}"
            f" | {_micros(by_engine.get('greedy', {}).get('p50_micros'))}"
            f" | {ours.get('greedy_worse_share', 0):.0%}"
            f" | {_micros(theirs)} | {ratio} |"
        )
    return lines


def _micros(value: float | None) -> str:
    if value is None:
        return "-"
    if value < 1_000:
        return f"{value:.0f} µs"
    return f"{value / 1_000:,.1f} ms"


if __name__ == "__main__":
    print(*rows(json.loads(Path(sys.argv[1]).read_text())), sep="\n")
