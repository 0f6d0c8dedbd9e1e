"""Selling over a real server and a real ledger: what is put is what is promised."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest

from availability.ledger.open import open_ledger
from availability.model import Location, LocationId, Sku
from availability.setup.channels import Allocation, Channel, Purpose, SupplyRule
from availability.setup.kits import Component
from availability.setup.settings import Backorders, Preorder, Settings
from availability.setup.setup import SetupChange
from availability.v1 import availability_service_pb2 as pb
from availability.v1 import (
    availability_service_pb2_grpc,
    channel_service_pb2_grpc,
    stock_service_pb2,
)
from router.cli.remote.client import CallFailed
from router.cli.remote.open import Target, open_target
from router.rpc.codec.offers import decode_columns
from router.rpc.codec.setup import encode_setup_change
from tests.router.rpc.calls import CALL_SECONDS, SEED, StepClock, load
from tests.router.rpc.conftest import Loop, Running, Start

HAT, SHIRT, OUTFIT = Sku("hat"), Sku("shirt"), Sku("outfit")
LAVAL = LocationId("laval")
SETUP = SetupChange(
    channels={
        "web": Channel("web"),
        "shop": Channel("shop", (SupplyRule(include_ids=frozenset({LAVAL})),)),
    },
    settings={("", ""): Settings(low_units=5), ("web", "hat"): Settings(max_units=4)},
    allocations={
        "shop": Allocation("shop", SHIRT, 6, Purpose.RESERVE, frozenset({"shop"}))
    },
    kits={OUTFIT: (Component(HAT, 2), Component(SHIRT, 1))},
)


@dataclass(frozen=True)
class Shop:
    server: Running
    availability: availability_service_pb2_grpc.AvailabilityServiceStub
    channels: channel_service_pb2_grpc.ChannelServiceStub

    def put(self, change: SetupChange) -> None:
        wire = encode_setup_change("", change)
        self.channels.PutSetup(wire, timeout=CALL_SECONDS)

    def count(self, location: str, sku: str, units: int) -> None:
        self.server.stock.ImportStock(
            stock_service_pb2.ImportStockRequest(
                mode=stock_service_pb2.IMPORT_MODE_SET,
                changes=[
                    stock_service_pb2.StockChange(
                        location_id=location, sku=sku, on_hand_units=units
                    )
                ],
            ),
            timeout=CALL_SECONDS,
        )

    def get(self, channel_id: str, sku: str) -> pb.Availability:
        request = pb.GetAvailabilityRequest(channel_id=channel_id, sku=sku)
        reply = self.availability.GetAvailability(request, timeout=CALL_SECONDS)
        return reply.availability

    def watch(self, channel_id: str, *skus: str, **fields: Any) -> Any:
        request = pb.WatchAvailabilityRequest(
            channel_id=channel_id, skus=skus, **fields
        )
        return self.availability.WatchAvailability(request, timeout=CALL_SECONDS)


def told(batch: pb.WatchAvailabilityResponse) -> dict[str, int]:
    rows = decode_columns(batch.columns)
    return dict(zip(batch.skus, rows.quantity_units.tolist(), strict=True))


def shop_of(server: Running) -> Shop:
    load(server, SEED)
    shop = Shop(
        server,
        availability_service_pb2_grpc.AvailabilityServiceStub(server.channel),
        channel_service_pb2_grpc.ChannelServiceStub(server.channel),
    )
    shop.put(SETUP)
    return shop


@pytest.fixture
def shop(server: Running) -> Shop:
    return shop_of(server)


@pytest.mark.parametrize(
    ("channel_id", "sku", "units"),
    [
        ("web", "hat", 23),
        ("web", "shirt", 19),  # 25, of which 6 are kept for the shop
        ("web", "outfit", 6),  # 1 + 5 + 5 of the hats, and no shirt in Sherbrooke
        ("shop", "hat", 10),
        ("shop", "shirt", 6),
        ("shop", "outfit", 5),
        ("web", "boots", 0),
    ],
)
def test_what_is_put_is_promised(
    shop: Shop, channel_id: str, sku: str, units: int
) -> None:
    found = shop.get(channel_id, sku)
    request = pb.BatchGetAvailabilityRequest(channel_id=channel_id, skus=["x", sku])
    (chunk,) = shop.availability.BatchGetAvailability(request, timeout=CALL_SECONDS)
    asked = pb.ExplainAvailabilityRequest(channel_id=channel_id, sku=sku)
    explained = shop.availability.ExplainAvailability(asked, timeout=CALL_SECONDS)

    assert found.quantity_units == units
    assert found.no_such_sku is (sku == "boots")
    assert found.stock_version == shop.server.ledger.version()
    assert decode_columns(chunk.columns).quantity_units.tolist() == [0, units]
    assert explained.availability == found
    assert sum(each.effect_units for each in explained.steps) == units


def test_an_explanation_has_the_pool_and_the_verdict(shop: Shop) -> None:
    asked = pb.ExplainAvailabilityRequest(
        channel_id="web", sku="hat", request_units=5, bought_units=0
    )

    reply = shop.availability.ExplainAvailability(asked, timeout=CALL_SECONDS)

    assert {each.location_id: each.on_hand_units for each in reply.records} == {
        "montreal": 3,
        "sherbrooke": 10,
        "laval": 10,
    }
    assert reply.refusal == pb.AvailabilityRefusal(
        rule=pb.AVAILABILITY_RULE_MAX, level=pb.SETTINGS_LEVEL_CHANNEL_SKU
    )
    assert reply.availability.max_orderable_units == 4
    assert reply.net_units == 23


def test_a_stream_follows_the_stock_and_the_setup(shop: Shop) -> None:
    watch = shop.watch("web")

    first = next(watch)
    shop.count("laval", "hat", 9)
    second = next(watch)
    shop.put(SetupChange(settings={("web", "shoes"): Settings(fixed_units=77)}))
    third = next(watch)
    watch.cancel()

    assert told(first) == {"hat": 23, "shirt": 19, "shoes": 25, "outfit": 6}
    # The kit is made of hats: it changes with them, if it does.
    assert told(second) == {"hat": 22, "outfit": 5}
    assert told(third) == {"shoes": 77}
    (flags,) = decode_columns(third.columns).flags.tolist()
    assert flags & pb.AVAILABILITY_FLAG_FIXED


def test_a_stream_is_taken_up_again(shop: Shop) -> None:
    watch = shop.watch("shop", "hat", "shirt")
    token = next(watch).resume_token
    watch.cancel()
    shop.count("laval", "hat", 2)

    again = shop.watch("shop", "hat", "shirt", resume_token=token)
    batch = next(again)
    again.cancel()

    assert told(batch) == {"hat": 2}


def test_a_restarted_server_tells_everything_again(shop: Shop, start: Start) -> None:
    watch = shop.watch("shop", "hat")
    token = next(watch).resume_token
    watch.cancel()
    other = shop_of(start())

    again = other.watch("shop", "hat", resume_token=token)
    batch = next(again)
    again.cancel()

    assert told(batch) == {"hat": 10}


def test_a_drain_ends_a_stream_and_waits_for_no_heartbeat(
    shop: Shop, loop: Loop
) -> None:
    watch = shop.watch("web")
    next(watch)

    loop.run(shop.server.server.drain())

    # A stream that lasted through the grace would be cancelled.
    assert list(watch) == []
    assert watch.code() is grpc.StatusCode.OK


def test_a_preorder_opens_on_the_servers_clock(
    start: Start, ledger_clock: StepClock
) -> None:
    shop = shop_of(start(clock=ledger_clock))
    opens = int(ledger_clock()) + 1_000
    said = Settings(preorders=(Preorder(50, opens + 1_000, opens),))
    shop.put(SetupChange(settings={("", "hat"): said}))
    watch = shop.watch("web", "hat")
    first = next(watch)

    ledger_clock.seconds += 1_000
    second = next(watch)
    watch.cancel()

    assert (told(first), told(second)) == ({"hat": 23}, {"hat": 50})
    found = shop.get("web", "hat")
    assert found.status == pb.AVAILABILITY_STATUS_PREORDER
    assert found.available_from_time.seconds == opens + 1_000


def test_a_count_goes_stale_on_the_servers_clock(
    start: Start, ledger_clock: StepClock
) -> None:
    shop = shop_of(start(clock=ledger_clock))
    shop.server.ledger.put_locations([Location(LAVAL, rank=3, stale_after_seconds=60)])
    watch = shop.watch("shop", "hat")
    assert told(next(watch)) == {"hat": 10}

    ledger_clock.seconds += 61
    second = next(watch)
    watch.cancel()

    assert told(second) == {"hat": 0}
    assert not shop.get("shop", "hat").known


@pytest.fixture(params=["server", "database"])
def target(
    request: pytest.FixtureRequest, shop: Shop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """What the command line talks to: a server, or a database of the same."""
    if request.param == "server":
        with open_target(shop.server.address, None) as found:
            yield found
        return
    path = f"sqlite:///{tmp_path_factory.mktemp('cli')}/ledger.db"
    ledger = open_ledger(path)
    ledger.put_locations(shop.server.ledger.network().locations)
    ledger.close()
    with open_target("", path) as found:
        found.put_setup("first", SETUP)
        yield found


def test_a_target_puts_and_reads_a_setup(target: Target) -> None:
    change = SetupChange(
        channels={"fax": Channel("fax")},
        settings={("", ""): None},
        allocations={"shop": None},
    )

    dry = target.put_setup("r", change, dry_run=True)
    before = target.setup()
    done = target.put_setup("r", change, [Location(LocationId("new"), rank=9)])
    after = target.setup()

    assert (dry.created_count, dry.removed_count) == (1, 2)
    assert (done.created_count, done.removed_count) == (2, 2)
    assert target.put_setup("r", change, [Location(LocationId("new"), rank=9)]) == done
    assert before.channels == SETUP.channels
    assert before.kits == SETUP.kits
    assert before.allocations["shop"].consumed_units == 0
    assert after.channels.keys() == {"web", "shop", "fax"}
    assert after.allocations == {}
    assert after.book.everything == Settings()
    names = [each.location_id for each in target.locations()]
    assert names == ["montreal", "sherbrooke", "laval", "new"]


def test_a_target_tells_every_fault(target: Target) -> None:
    with pytest.raises(CallFailed) as caught:
        target.put_setup(
            "r",
            SetupChange(
                channels={
                    " ": Channel(" "),
                    "fax": Channel("fax", (SupplyRule(rank=-1),)),
                }
            ),
        )
    assert [each.partition(":")[0] for each in caught.value.lines] == [
        "channels[0].channel_id",
        "channels[1].rules[0].rank",
    ]
    with pytest.raises(CallFailed, match="out of range"):
        target.put_setup(
            "r", SetupChange(settings={("", ""): Settings(low_units=2**70)})
        )


def test_a_target_tells_offers(target: Target, shop: Shop) -> None:
    (chunk,) = target.offers("web", [HAT, Sku("boots")])
    explained = target.explain("web", HAT, 5, 0)

    assert chunk.columns.row_count == 2
    assert explained.refusal.rule == pb.AVAILABILITY_RULE_MAX
    with pytest.raises(CallFailed, match="no channel 'telex'"):
        target.offers("telex", [HAT])
    assert shop.get("web", "hat").quantity_units == 23


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + CALL_SECONDS
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_streams_and_places_are_counted(shop: Shop) -> None:
    def watches() -> float:
        registry = shop.server.server.metrics.registry
        return registry.get_sample_value("repartir_watches") or 0

    watch = shop.watch("web")
    next(watch)
    assert watches() == 1
    watch.cancel()
    wait_until(lambda: watches() == 0)


def test_backorders_are_told(shop: Shop) -> None:
    notify = Settings(backorders=Backorders.ALLOW_AND_NOTIFY)
    shop.put(SetupChange(settings={("", "hat"): notify}))

    found = shop.get("web", "hat")

    assert found.unlimited
    assert found.backorder_notice
    # The channel's own limit still holds.
    assert found.max_orderable_units == 4
