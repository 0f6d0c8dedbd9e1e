"""What the README shows works as it stands there."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from router.cli import app
from router.cli.demo.child_server import running_server

README = Path(__file__).parent.parent / "README.md"


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


def test_the_python_example_runs() -> None:
    """Hats must be split: Laval has 10 of them and the shirt, Montréal the rest."""
    done = subprocess.run(
        [sys.executable, "-c", blocks()[0]], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[:3] == [
        "1 x shirt from laval",
        "10 x hat from laval",
        "2 x hat from montreal",
    ]
    assert done.stdout.splitlines()[-1] == "proven by exact"


def test_what_a_channel_may_sell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No order on the web may have five hats: the last command says which rule."""
    monkeypatch.chdir(README.parent)
    text = README.read_text().partition("## What may a channel sell?")[2]
    network, sell = text.split("```")[1].strip().splitlines()
    (tmp_path / "stock.csv").write_text("location,sku,on_hand\ndc,hat,40\n")
    stock = f"repartir import --mode set --stock {tmp_path}/stock.csv"

    with running_server() as address:
        done = [
            CliRunner().invoke(app, [*shlex.split(each)[1:], "--server", address])
            for each in (network, stock, sell)
        ]

    assert [each.exit_code for each in done] == [0, 0, 1]
    assert done[-1].stderr == ""
    assert done[-1].stdout.split("│")[-3].strip() == "max"


def test_it_stays_short() -> None:
    assert len(README.read_text().splitlines()) <= 150


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README.read_text()):
        assert (README.parent / target).exists(), target
