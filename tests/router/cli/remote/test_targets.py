"""A target passes on all that an import asks for, be it a server or a database."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from availability.model import (
    ImportMode,
    ImportResult,
    Location,
    LocationId,
    Sku,
    StockChange,
)
from availability.setup.channels import Channel
from availability.setup.setup import SetupChange
from availability.v1 import availability_service_pb2
from router.cli.demo.child_server import running_server
from router.cli.remote.client import CallFailed, Client
from router.cli.remote.open import Target, open_target
from router.cli.remote.requests import CHANNEL_NOT_FOUND
from router.cli.remote.server_target import ServerTarget
from router.rpc.codec.offers import NO_SUCH_SKU


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


def test_all_skus_and_their_offers(target: Target) -> None:
    channel = Channel("web")
    target.put_setup("setup", SetupChange(channels={"web": channel}))

    assert target.skus("web") == ["cap", "hat"]
    [chunk] = target.offers("web", [Sku("hat"), Sku("none")])
    assert list(chunk.columns.quantity_units) == [4, 0]
    assert list(chunk.columns.flags)[1] & NO_SUCH_SKU
    assert target.explain("web", Sku("cap")).availability.quantity_units == 6


def test_an_unknown_channel(target: Target) -> None:
    for call in (
        lambda: target.skus("shop"),
        lambda: target.offers("shop", [Sku("hat")]),
        lambda: target.explain("shop", Sku("hat")),
    ):
        with pytest.raises(CallFailed, match="no channel 'shop'") as failed:
            call()
        assert failed.value.reason == CHANNEL_NOT_FOUND
        assert not failed.value.lost


def test_a_list_the_server_cuts_short_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It drains: the stream ends as if it were at its end, without a token."""
    batch = availability_service_pb2.WatchAvailabilityResponse(skus=["hat"])
    monkeypatch.setattr(Client, "collect", lambda *_: [batch])
    with grpc.insecure_channel("127.0.0.1:9") as channel:
        target = ServerTarget(Client("127.0.0.1:9", channel))

        with pytest.raises(CallFailed, match="the server is shutting down"):
            target.skus("web")


def test_a_delete(target: Target) -> None:
    assert send(target, ImportMode.DELETE, {"hat": 0, "none": 0}).changed_count == 1
