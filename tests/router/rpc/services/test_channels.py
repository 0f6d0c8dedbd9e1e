"""What is said about selling: put as one change, listed in pages."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from availability.errors import InvalidChange, Violation
from availability.ledger.open import open_ledger
from availability.ledger.protocol import Ledger
from availability.model import Location, LocationId, Network, Request, Sku
from availability.positions import Counts, Positions
from availability.setup.channels import (
    Allocation,
    Channel,
    FutureSupply,
    Purpose,
    SupplyRule,
)
from availability.setup.kits import Component
from availability.setup.settings import Backorders, Preorder, Settings, SettingsBook
from availability.setup.setup import Setup, SetupChange
from availability.v1 import (
    channel_pb2,
    channel_service_pb2,
    channel_service_pb2_grpc,
    location_pb2,
)
from router.rpc.background.driver import Driver
from router.rpc.codec.setup import SetupItems, encode_setup_change
from router.rpc.services import setup_pages
from router.rpc.services.channels import MAX_ITEMS, ChannelService, put_setup
from router.rpc.services.setup_pages import SetupIndex, page_of
from router.rpc.transport.gate import Gate
from router.rpc.transport.limits import MAX_RECEIVE_BYTES
from tests.router.rpc.calls import (
    CALL_SECONDS,
    code,
    reason,
    refused,
    status,
    violations,
)
from tests.router.rpc.conftest import Loop

Put = channel_service_pb2.PutSetupRequest
WEB, SHOP = "web", "shop"
HAT, SHIRT = Sku("hat"), Sku("shirt")
LAVAL = LocationId("laval")

WHOLE = SetupChange(
    {
        WEB: Channel(WEB, (SupplyRule(include_ids=frozenset({LAVAL})),)),
        SHOP: Channel(SHOP),
    },
    {
        ("", ""): Settings(low_units=5),
        (WEB, ""): Settings(backorders=Backorders.ALLOW),
        ("", "hat"): Settings(preorders=(Preorder(5, 200, 100),)),
        (SHOP, "hat"): Settings(preorders=()),
    },
    {
        "b2b": Allocation("b2b", HAT, 30, Purpose.RESERVE, frozenset({SHOP})),
        "stop": Allocation("stop", SHIRT, 0, Purpose.RESERVE, frozenset({WEB})),
    },
    {Sku("outfit"): (Component(HAT, 1), Component(SHIRT, 2))},
    {"po-1": FutureSupply(LAVAL, HAT, 7, 1_900_000_000, supply_id="po-1")},
)
LOCATIONS = [Location(LAVAL, rank=1)]


@dataclass(frozen=True)
class Serving:
    stub: channel_service_pb2_grpc.ChannelServiceStub
    ledger: Ledger

    def put(self, change: SetupChange, **fields: Any) -> Any:
        wire = encode_setup_change("", change, fields.pop("locations", ()), **fields)
        return self.stub.PutSetup(wire, timeout=CALL_SECONDS)

    def pages(self, **fields: Any) -> list[Any]:
        pages: list[Any] = []
        while not pages or fields["page_token"]:
            wire = channel_service_pb2.ListSetupRequest(**fields)
            pages.append(self.stub.ListSetup(wire, timeout=CALL_SECONDS))
            assert pages[-1].ByteSize() < MAX_RECEIVE_BYTES
            fields["page_token"] = pages[-1].next_page_token
        return pages

    def setup(self, **fields: Any) -> Setup:
        items = SetupItems.none()
        pages = self.pages(**fields)
        for page in pages:
            items.read(page)
        return items.setup(pages[-1].setup_version)


@pytest.fixture
def serving(loop: Loop, tmp_path: Path) -> Iterator[Serving]:
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db")

    async def begin() -> tuple[grpc.aio.Server, int, Driver]:
        driver = Driver(ledger)
        handler = ChannelService(ledger, driver).generic_handler(Gate())
        server = grpc.aio.server(handlers=(handler,))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        return server, port, driver

    async def end() -> None:
        await server.stop(0)
        await driver.close()

    server, port, driver = loop.run(begin())
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Serving(channel_service_pb2_grpc.ChannelServiceStub(channel), ledger)
    loop.run(end())
    ledger.close()


@pytest.fixture
def said(serving: Serving) -> Serving:
    """A server whose whole setup was put, with its location, in one change."""
    serving.put(WHOLE, locations=LOCATIONS)
    return serving


def test_everything_is_put_at_once_and_listed_again(serving: Serving) -> None:
    reply = serving.put(WHOLE, locations=LOCATIONS)

    assert (reply.created_count, reply.replaced_count) == (11, 0)
    assert (reply.removed_count, reply.unchanged_count) == (0, 0)
    assert reply.stock_version == serving.ledger.version()
    listed = serving.setup()
    assert listed.channels == WHOLE.channels
    assert listed.book == SettingsBook(
        Settings(low_units=5),
        {WEB: Settings(backorders=Backorders.ALLOW)},
        {HAT: Settings(preorders=(Preorder(5, 200, 100),))},
        {(SHOP, HAT): Settings(preorders=())},
    )
    assert listed.allocations == WHOLE.allocations
    assert listed.kits == WHOLE.kits
    assert listed.supplies == WHOLE.supplies
    assert listed.version == reply.stock_version
    assert [each.location_id for each in serving.ledger.network().locations] == [LAVAL]


def test_what_is_named_changes_and_the_rest_stays(said: Serving) -> None:
    change = SetupChange(
        channels={SHOP: Channel(SHOP, (SupplyRule(share_permille=500),))},
        settings={("", ""): None, (WEB, ""): Settings(backorders=Backorders.ALLOW)},
        allocations={"stop": None, "never": None},
        kits={Sku("outfit"): (Component(HAT, 1),)},
    )

    reply = said.put(change)

    assert (reply.created_count, reply.replaced_count) == (0, 2)
    assert (reply.removed_count, reply.unchanged_count) == (2, 2)
    listed = said.setup()
    assert listed.channels[WEB] == WHOLE.channels[WEB]
    assert listed.channels[SHOP] == change.channels[SHOP]
    assert listed.book.everything == Settings()
    assert listed.allocations.keys() == {"b2b"}
    assert listed.supplies == WHOLE.supplies


def test_a_dry_run_answers_and_changes_nothing(serving: Serving) -> None:
    dry = encode_setup_change("r", WHOLE, LOCATIONS, dry_run=True)
    before = serving.ledger.version()

    reply = serving.stub.PutSetup(dry, timeout=CALL_SECONDS)

    assert reply.created_count == 11
    assert serving.ledger.version() == before
    assert serving.ledger.setup().channels == {}
    # Its id was not used up: the same one does it.
    wire = encode_setup_change("r", WHOLE, LOCATIONS)
    assert serving.stub.PutSetup(wire, timeout=CALL_SECONDS).created_count == 11
    assert serving.stub.PutSetup(dry, timeout=CALL_SECONDS).unchanged_count == 11


def test_a_repeat_gets_the_first_reply(said: Serving) -> None:
    wire = encode_setup_change("again", SetupChange(channels={"fax": Channel("fax")}))

    first, second = (said.stub.PutSetup(wire, timeout=CALL_SECONDS) for _ in range(2))
    wire.channels[0].channel_id = "telex"
    error = refused(said.stub.PutSetup, wire)

    assert first == second
    assert first.created_count == 1
    assert code(error) is grpc.StatusCode.ALREADY_EXISTS
    assert reason(status(error)) == "REQUEST_ID_REUSED"


def broken(serving: Serving, wire: Put) -> dict[str, str]:
    before = serving.ledger.version()
    error = refused(serving.stub.PutSetup, wire)
    assert code(error) is grpc.StatusCode.INVALID_ARGUMENT
    assert serving.ledger.version() == before
    return violations(status(error))


def test_breaches_of_shape_come_all_at_once(serving: Serving) -> None:
    wire = Put(
        request_id="é",
        channels=[channel_pb2.Channel()],
        allocations=[channel_pb2.Allocation(allocation_id="a", sku="s")],
        kits=[channel_pb2.Kit(sku="k")],
        removed_kit_skus=["k"],
        locations=[location_pb2.Location(location_id="l", rank=-1)],
    )

    assert broken(serving, wire) == {
        "request_id": "INVALID_ID",
        "channels[0].channel_id": "REQUIRED",
        "allocations[0].purpose": "REQUIRED",
        "removed_kit_skus[0]": "CONFLICT",
        "locations[0].rank": "OUT_OF_RANGE",
    }


def test_breaches_of_sense_have_the_requests_places(said: Serving) -> None:
    """The setup has two channels already: places in it are not the request's."""
    wire = encode_setup_change(
        "",
        SetupChange(
            channels={
                "fax": Channel("fax"),
                SHOP: Channel(SHOP, (SupplyRule(), SupplyRule(share_permille=1_001))),
            },
            settings={("", "boots"): Settings(max_units=-1)},
            allocations={
                "new": Allocation("new", HAT, -1, channel_ids=frozenset({"telex"}))
            },
            kits={HAT: (Component(SHIRT, 1),)},
            supplies={
                "po-0": FutureSupply(LAVAL, HAT, 1, 5, supply_id="po-0"),
                "po-2": FutureSupply(LocationId("no"), HAT, 1, 5, supply_id="po-2"),
            },
        ),
    )

    assert broken(said, wire) == {
        "channels[1].rules[1].share_permille": "OUT_OF_RANGE",
        "settings.skus[boots].max_units": "OUT_OF_RANGE",
        "allocations[0].quantity_units": "OUT_OF_RANGE",
        "allocations[0].channel_ids": "UNKNOWN_CHANNEL",
        "kits[outfit].components[0].sku": "KIT_IN_KIT",
        "settings.skus[hat].preorders": "NOT_FOR_KITS",
        "settings.channel_skus[shop,hat].preorders": "NOT_FOR_KITS",
        "allocations[0].sku": "NOT_FOR_KITS",
        "allocations[b2b].sku": "NOT_FOR_KITS",
        "supplies[0].sku": "NOT_FOR_KITS",
        "supplies[1].sku": "NOT_FOR_KITS",
        "supplies[po-1].sku": "NOT_FOR_KITS",
        "supplies[1].location_id": "UNKNOWN_LOCATION",
    }


def test_what_the_request_does_not_name_goes_by_its_key(said: Serving) -> None:
    wire = Put(
        removed_channel_ids=[SHOP], channels=[channel_pb2.Channel(channel_id="fax")]
    )

    assert broken(said, wire) == {
        "allocations[b2b].channel_ids": "UNKNOWN_CHANNEL",
        "settings.channel_skus[shop,hat]": "UNKNOWN_CHANNEL",
    }


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (Put(), "REQUIRED"),
        (Put(removed_kit_skus=["k"] * (MAX_ITEMS + 1)), "TOO_MANY"),
        (
            Put(
                channels=[channel_pb2.Channel()] * MAX_ITEMS,
                locations=[location_pb2.Location()],
            ),
            "TOO_MANY",
        ),
    ],
)
def test_a_request_has_some_items_and_not_too_many(
    serving: Serving, wire: Put, expected: str
) -> None:
    assert broken(serving, wire) == {"channels": expected}


@pytest.mark.parametrize("size", [1, 2, 3, 9, 10, 100])
def test_pages_go_by_kind_and_key(said: Serving, size: int) -> None:
    pages = said.pages(page_size=size)

    found = [
        [
            *(each.channel_id for each in page.channels),
            *(f"{each.channel_id}/{each.sku}" for each in page.settings),
            *(each.allocation_id for each in page.allocations),
            *(each.sku for each in page.kits),
            *(each.supply_id for each in page.supplies),
        ]
        for page in pages
    ]
    whole = [
        *(SHOP, WEB),
        *("/", "/hat", "shop/hat", "web/"),
        *("b2b", "stop"),
        *("outfit", "po-1"),
    ]
    assert [name for page in found for name in page] == whole
    assert [len(page) for page in found] == [
        min(size, len(whole) - start) for start in range(0, len(whole), size)
    ]
    assert {page.setup_version for page in pages} == {said.ledger.setup().version}


def test_only_some_kinds(said: Serving) -> None:
    kinds = [channel_service_pb2.SETUP_KIND_KIT, channel_service_pb2.SETUP_KIND_SUPPLY]

    pages = said.pages(kinds=kinds, page_size=1)

    assert [len(page.kits) + len(page.supplies) for page in pages] == [1, 1]
    assert not any(page.channels or page.settings or page.allocations for page in pages)


def test_a_page_goes_on_where_the_last_ended_whatever_went(said: Serving) -> None:
    first = said.stub.ListSetup(channel_service_pb2.ListSetupRequest(page_size=3))
    said.put(SetupChange(settings={("", ""): None}, supplies={"po-1": None}))

    rest = said.pages(page_token=first.next_page_token)

    assert [each.sku for page in rest for each in page.settings] == ["hat", "hat", ""]
    # That it is another setup by now can be seen.
    assert {page.setup_version for page in rest} != {first.setup_version}


def test_nothing_said_is_one_empty_page(serving: Serving) -> None:
    (page,) = serving.pages()

    assert page == channel_service_pb2.ListSetupResponse(setup_version=0)


@pytest.mark.parametrize(
    ("fields", "path", "expected"),
    [
        ({"page_size": -1}, "page_size", "OUT_OF_RANGE"),
        ({"page_token": "nonsense"}, "page_token", "INVALID_TOKEN"),
        ({"page_token": "WyI5IiwgImEiLCAiIl0="}, "page_token", "INVALID_TOKEN"),
        ({"page_token": "WyIwIiwgImEiLCAiIl0="}, "page_token", "INVALID_TOKEN"),
        ({"kinds": [1, 0]}, "kinds[1]", "REQUIRED"),
        ({"kinds": [9]}, "kinds[0]", "UNKNOWN"),
        ({"kinds": [1] * 101}, "kinds", "TOO_MANY"),
    ],
)
def test_what_a_listing_may_not_ask(
    serving: Serving, fields: dict[str, Any], path: str, expected: str
) -> None:
    wire = channel_service_pb2.ListSetupRequest(**fields)

    error = refused(serving.stub.ListSetup, wire)

    assert violations(status(error)) == {path: expected}


def test_a_page_is_cut_where_a_message_ends(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup_pages, "MAX_REPLY_BYTES", 1_000)
    kit = tuple(Component(Sku(f"part-{n:03d}"), 1) for n in range(50))
    serving.put(SetupChange(kits={Sku(f"kit-{n}"): kit for n in range(5)}))

    pages = serving.pages()

    # One of them alone is more than there is room for: it comes all the same.
    assert [[each.sku for each in page.kits] for page in pages] == [
        [f"kit-{n}"] for n in range(5)
    ]


class Consuming:
    """A ledger in which channels have been promised something."""

    def __init__(self, setup: Setup, **promised: int) -> None:
        self._setup = setup
        self._promised = promised

    def positions(self, skus: Any) -> Positions:
        counts = {channel: Counts(0, n) for channel, n in self._promised.items()}
        none: Any = None
        return Positions(
            tuple(skus),
            Network(()),
            self._setup,
            none,
            none,
            dict.fromkeys(skus, counts),
            1,
        )


def test_an_allocation_tells_what_is_consumed_by_now() -> None:
    """What a setup keeps is a difference: promises from before it do not count."""
    allocation = Allocation(
        "b2b", HAT, 30, channel_ids=frozenset({SHOP}), consumed_units=-4
    )
    setup = Setup(allocations={"b2b": allocation})
    ledger: Any = Consuming(setup, shop=10, web=100)

    kinds = frozenset({int(channel_service_pb2.SETUP_KIND_ALLOCATION)})
    page = page_of(SetupIndex(setup), ledger, kinds, None, 10)

    assert [each.consumed_units for each in page.allocations] == [6]


class Refusing:
    """A ledger that refuses every setup, with what it is told to say."""

    def __init__(self, *paths: str) -> None:
        self._violations = [Violation(path, "R", "m") for path in paths]

    def setup(self) -> Setup:
        return Setup(channels={"a": Channel("a"), "b": Channel("b")})

    def put_setup(self, *_: Any, **__: Any) -> bytes:
        raise InvalidChange(self._violations)


def test_paths_that_name_no_place_stay_as_they_are() -> None:
    paths = ("channels[9].x", "channels[b].x", "settings.skus[channels[0]]", "x")
    ledger: Any = Refusing(*paths, "channels[1].rules[0].y", "channels[2]")
    change = SetupChange(channels={"x": None, "c": Channel("c")})

    with pytest.raises(InvalidChange) as caught:
        put_setup(ledger, change, [], Request())

    found = [each.path for each in caught.value.violations]
    assert found == [*paths, "channels[b].rules[0].y", "channels[0]"]
