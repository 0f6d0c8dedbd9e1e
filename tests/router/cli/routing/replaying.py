"""`repartir replay` over the seed's stock, in a folder of its own."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from router.cli import app
from router.policies import DEFAULT
from router.report.model import Report
from tests.router.cli.tool import SEED_STOCK, jsonl, order

Replay = Callable[..., Result]

SKUS = ("shirt", "hat", "shoes")
ORDERS = [
    order(f"o{n}", **dict.fromkeys(SKUS[: 1 + n % 3], 1 + n % 3)) for n in range(12)
]


@pytest.fixture
def replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Replay:
    """Replay orders over the seed's stock; files are in one folder."""
    monkeypatch.chdir(tmp_path)

    def replay(
        *options: str,
        orders: Sequence[Mapping[str, object] | str] = ORDERS,
        policies: Sequence[str] = (DEFAULT, "priority"),
        stock: str = SEED_STOCK,
    ) -> Result:
        (tmp_path / "stock.csv").write_text(stock)
        (tmp_path / "past.jsonl").write_text(jsonl(orders))
        files = ("--stock", "stock.csv", "--orders", "past.jsonl")
        chosen = [part for name in policies for part in ("--policy", name)]
        return CliRunner().invoke(app, ["replay", *files, *chosen, *options])

    return replay


def reported(result: Result) -> Report:
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    return Report.from_json(result.stdout)
