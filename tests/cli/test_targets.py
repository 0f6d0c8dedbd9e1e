"""A target passes on all that an import asks for, be it a server or a database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from availability.model import (
    ImportMode,
    ImportResult,
    Location,
    LocationId,
    Sku,
    StockChange,
)
from router.cli.child import running_server
from router.cli.client import CallFailed
from router.cli.targets import Target, open_target


@pytest.fixture(params=["server", "database"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """A place for imports, with four hats and six caps at Laval."""
    if request.param == "server":
        with running_server() as address, open_target(address, None) as found:
            yield filled(found)
    else:
        with open_target("", f"sqlite:///{tmp_path}/stock.db") as found:
            yield filled(found)


def filled(target: Target) -> Target:
    target.put_locations("put", [Location(LocationId("laval"))])
    send(target, ImportMode.SET, {"hat": 4, "cap": 6})
    return target


def send(
    target: Target,
    mode: ImportMode,
    units: dict[str, int],
    *,
    dry_run: bool = False,
    guard: int | None = None,
) -> ImportResult:
    changes = [
        StockChange(LocationId("laval"), Sku(sku), n) for sku, n in units.items()
    ]
    name = f"{mode} {units} {dry_run} {guard}".replace(" ", "")
    return target.import_stock(
        name[:100], mode, changes, dry_run=dry_run, max_drop_permille=guard
    )


def test_what_an_import_asks_for_arrives(target: Target) -> None:
    snapshot = (ImportMode.SNAPSHOT, {"hat": 4})

    dry = send(target, *snapshot, dry_run=True)
    with pytest.raises(CallFailed, match=r"zero 1 of 2 records and take away 6 of 10"):
        send(target, *snapshot, guard=599)
    real = send(target, *snapshot, guard=600)

    assert real == ImportResult(0, 1, dry.stock_version + 1, 1, 2, 6, 10)
    assert dry == ImportResult(0, 1, dry.stock_version, 1, 2, 6, 10)


def test_a_guard_of_nothing_is_a_guard(target: Target) -> None:
    with pytest.raises(CallFailed, match="max_drop_permille: only a snapshot"):
        send(target, ImportMode.SET, {"hat": 4}, guard=0)


def test_a_delete(target: Target) -> None:
    assert send(target, ImportMode.DELETE, {"hat": 0, "none": 0}).changed_count == 1
