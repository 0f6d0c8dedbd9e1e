"""docs/operations.md leaves out nothing that an operator meets."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from router.cli import app
from router.rpc.transport.gate import Gate
from router.rpc.transport.tokens import SCOPES
from router.v1 import error_reason_pb2

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/operations.md").read_text()


def options() -> list[str]:
    """Return the options of `repartir serve`."""
    serve = get_command(app).commands["serve"]  # type: ignore[attr-defined]
    shown = [each for each in serve.params if not getattr(each, "hidden", False)]
    return [name for each in shown for name in each.opts]


@pytest.mark.parametrize("option", options())
def test_every_option_is_there(option: str) -> None:
    assert f"`{option}`" in TEXT


def test_every_metric_of_ours_is_there() -> None:
    found = {each.name for each in Gate().metrics.registry.collect()}
    ours = {name for name in found if name.startswith("repartir_")}

    assert len(ours) >= 8
    assert {name for name in ours if name not in TEXT} == set()


def test_every_reason_is_there() -> None:
    reasons = set(error_reason_pb2.ErrorReason.keys()) - {"ERROR_REASON_UNSPECIFIED"}
    names = {each.removeprefix("ERROR_REASON_") for each in reasons}

    assert names - set(re.findall(r"\b[A-Z_]{6,}\b", TEXT)) == set()


def test_every_log_event_is_there() -> None:
    code = "".join(each.read_text() for each in (ROOT / "router").rglob("*.py"))
    logged = re.findall(r'_log\.(?:debug|info|warning|error)\(\s*"([^"]+)"', code)
    shown = {each.replace("%s", "…") for each in logged}

    assert len(shown) >= 12
    assert {each for each in shown if f"`{each}`" not in TEXT} == set()


def test_every_scope_is_there() -> None:
    assert all(f"| `{name}` |" in TEXT for name in SCOPES)
