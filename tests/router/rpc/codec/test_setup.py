"""A setup on the wire: exact inverses, and every fault of its shape with its path."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pytest
from google.protobuf import timestamp_pb2
from hypothesis import given, settings

from availability.errors import Violation
from availability.model import Sku
from availability.offers.offer import Rule, Status
from availability.setup.channels import Allocation, Purpose, SupplySource
from availability.setup.settings import Backorders, Level, Preorder, Settings
from availability.setup.setup import Setup, SetupChange, SetupResult, changed
from availability.v1 import (
    availability_service_pb2,
    channel_pb2,
    channel_service_pb2,
)
from router.rpc.codec import enums
from router.rpc.codec.results import decode_result, encode_result
from router.rpc.codec.settings import decode_settings, encode_entry, encode_settings
from router.rpc.codec.setup import (
    SetupItems,
    decode_setup_change,
    encode_setup_change,
)
from router.rpc.codec.setup_items import (
    encode_allocation,
    encode_channel,
    encode_kit,
    encode_supply,
)
from tests.router.rpc.setup_strategies import SETTINGS, changes

Request = channel_service_pb2.PutSetupRequest


@given(changes())
@settings(deadline=None, max_examples=200)
def test_a_change_survives_the_wire(change: SetupChange) -> None:
    sent = encode_setup_change("r", change, dry_run=True).SerializeToString()
    violations: list[Violation] = []
    wire = Request.FromString(sent)

    assert decode_setup_change(wire, violations) == change
    assert violations == []
    assert wire.dry_run
    assert wire.request_id == "r"


@given(SETTINGS)
@settings(deadline=None)
def test_settings_say_what_they_said(said: Settings) -> None:
    sent = encode_settings(said).SerializeToString()

    assert decode_settings(channel_pb2.Settings.FromString(sent), "", []) == said


def test_the_contract_has_every_setting() -> None:
    """A setting that is new is missing on the wire until somebody adds it."""
    named = set(channel_pb2.Settings.DESCRIPTOR.fields_by_name)

    assert named == {each.name for each in fields(Settings)}


@pytest.mark.parametrize("said", [None, (), (Preorder(5, 20, 10),)])
def test_no_preorders_is_not_nothing(said: tuple[Preorder, ...] | None) -> None:
    wire = encode_settings(Settings(preorders=said))

    assert decode_settings(wire, "", []).preorders == said
    assert wire.HasField("preorders") is (said is not None)


@given(changes())
@settings(deadline=None)
def test_what_is_listed_is_a_setup_again(change: SetupChange) -> None:
    setup = changed(Setup(version=7), change)
    page = channel_service_pb2.ListSetupResponse(
        channels=map(encode_channel, setup.channels.values()),
        settings=[
            encode_entry(place, each)
            for place, each in change.settings.items()
            if each is not None
        ],
        allocations=[encode_allocation(each, 9) for each in setup.allocations.values()],
        kits=[encode_kit(sku, kit) for sku, kit in setup.kits.items()],
        supplies=map(encode_supply, setup.supplies.values()),
    )
    items = SetupItems.none()

    items.read(
        channel_service_pb2.ListSetupResponse.FromString(page.SerializeToString())
    )

    read = items.setup(7)
    assert (read.channels, read.kits, read.supplies, read.version) == (
        setup.channels,
        setup.kits,
        setup.supplies,
        7,
    )
    assert read.book == setup.book
    assert {each.consumed_units for each in read.allocations.values()} <= {9}
    assert read.allocations.keys() == setup.allocations.keys()


def test_nobody_declares_what_is_consumed() -> None:
    allocation = Allocation("a", Sku("hat"), 5, Purpose.RESERVE)
    wire = Request(allocations=[encode_allocation(allocation, consumed_units=3)])

    change = decode_setup_change(wire, [])

    assert change.allocations == {"a": allocation}


def test_a_result_survives_the_wire() -> None:
    result = SetupResult(1, 2, 3, 4, 5)

    assert decode_result(SetupResult, encode_result(result)) == result


WHEN = timestamp_pb2.Timestamp(seconds=10)
GOOD_SUPPLY: dict[str, Any] = {
    "supply_id": "s",
    "location_id": "l",
    "sku": "hat",
    "quantity_units": 1,
    "available_from_time": WHEN,
    "source": channel_pb2.SUPPLY_SOURCE_SUPPLIER,
}
GOOD_ALLOCATION: dict[str, Any] = {
    "allocation_id": "a",
    "sku": "hat",
    "purpose": channel_pb2.ALLOCATION_PURPOSE_RESERVE,
}


def channel(**rule: Any) -> Request:
    rules = [channel_pb2.SupplyRule(**rule)]
    return Request(channels=[channel_pb2.Channel(channel_id="web", rules=rules)])


def allocation(**values: Any) -> Request:
    each = channel_pb2.Allocation(**{**GOOD_ALLOCATION, **values})
    return Request(allocations=[each])


def supply(**values: Any) -> Request:
    said = {**GOOD_SUPPLY, **values}
    return Request(supplies=[channel_pb2.FutureSupply(**said)])


def setting(channel_id: str = "", sku: str = "", **values: Any) -> Request:
    return Request(
        settings=[
            channel_pb2.SettingsEntry(
                channel_id=channel_id,
                sku=sku,
                settings=channel_pb2.Settings(**values),
            )
        ]
    )


def preorder(**values: Any) -> Request:
    said = {"release_time": WHEN, **values}
    listed = [channel_pb2.Preorder(**said)]
    return setting(preorders=channel_pb2.Preorders(preorders=listed))


def kit(*components: tuple[str, int], sku: str = "kit") -> Request:
    return Request(
        kits=[
            channel_pb2.Kit(
                sku=sku,
                components=[
                    channel_pb2.Component(sku=name, quantity_units=units)
                    for name, units in components
                ],
            )
        ]
    )


HALF = timestamp_pb2.Timestamp(seconds=1, nanos=500_000_000)
LATE = timestamp_pb2.Timestamp(seconds=253_402_300_800)
EARLY = timestamp_pb2.Timestamp(seconds=-1)


@pytest.mark.parametrize(
    ("wire", "path", "reason"),
    [
        (Request(channels=[{}]), "channels[0].channel_id", "REQUIRED"),  # type: ignore[list-item]
        (
            Request(channels=[channel_pb2.Channel(channel_id=" w")]),
            "channels[0].channel_id",
            "INVALID_ID",
        ),
        (
            Request(channels=[channel_pb2.Channel(channel_id="w")] * 2),
            "channels[1].channel_id",
            "DUPLICATE",
        ),
        (
            Request(
                channels=[
                    channel_pb2.Channel(
                        channel_id="w", rules=[channel_pb2.SupplyRule()] * 101
                    )
                ]
            ),
            "channels[0].rules",
            "TOO_MANY",
        ),
        (
            channel(include_ids=[f"{n:0128d}" for n in range(9_000)]),
            "channels[0]",
            "TOO_LARGE",
        ),
        (channel(rank=-1), "channels[0].rules[0].rank", "OUT_OF_RANGE"),
        (channel(rank=2**31 - 1), "channels[0].rules[0].rank", "OUT_OF_RANGE"),
        (channel(kinds=[1, 0]), "channels[0].rules[0].kinds[1]", "REQUIRED"),
        (channel(kinds=[9]), "channels[0].rules[0].kinds[0]", "UNKNOWN"),
        (channel(kinds=[1] * 101), "channels[0].rules[0].kinds", "TOO_MANY"),
        (channel(groups=["g", " "]), "channels[0].rules[0].groups[1]", "INVALID_ID"),
        (channel(groups=["g"] * 1_001), "channels[0].rules[0].groups", "TOO_MANY"),
        (channel(include_ids=[""]), "channels[0].rules[0].include_ids[0]", "REQUIRED"),
        (
            channel(include_ids=["l"] * 10_001),
            "channels[0].rules[0].include_ids",
            "TOO_MANY",
        ),
        (channel(exclude_ids=[""]), "channels[0].rules[0].exclude_ids[0]", "REQUIRED"),
        (
            channel(exclude_ids=["l"] * 10_001),
            "channels[0].rules[0].exclude_ids",
            "TOO_MANY",
        ),
        (Request(settings=[{}]), "settings[0].settings", "REQUIRED"),  # type: ignore[list-item]
        (setting(channel_id=" c"), "settings[0].channel_id", "INVALID_ID"),
        (setting(sku="a\n"), "settings[0].sku", "INVALID_ID"),
        (
            Request(
                settings=[
                    channel_pb2.SettingsEntry(
                        sku="hat", settings=channel_pb2.Settings()
                    )
                ]
                * 2
            ),
            "settings[1]",
            "DUPLICATE",
        ),
        (setting(backorders=9), "settings[0].settings.backorders", "UNKNOWN"),
        (
            preorder(release_time=None),
            "settings[0].settings.preorders[0].release_time",
            "REQUIRED",
        ),
        (
            preorder(release_time=HALF),
            "settings[0].settings.preorders[0].release_time",
            "NOT_WHOLE_SECONDS",
        ),
        (
            preorder(start_time=EARLY),
            "settings[0].settings.preorders[0].start_time",
            "OUT_OF_RANGE",
        ),
        (
            setting(
                preorders=channel_pb2.Preorders(
                    preorders=[channel_pb2.Preorder(release_time=WHEN)] * 101
                )
            ),
            "settings[0].settings.preorders",
            "TOO_MANY",
        ),
        (allocation(allocation_id=""), "allocations[0].allocation_id", "REQUIRED"),
        (allocation(sku=""), "allocations[0].sku", "REQUIRED"),
        (allocation(purpose=0), "allocations[0].purpose", "REQUIRED"),
        (allocation(purpose=3), "allocations[0].purpose", "UNKNOWN"),
        (allocation(rank=-1), "allocations[0].rank", "OUT_OF_RANGE"),
        (
            allocation(channel_ids=["a", "b "]),
            "allocations[0].channel_ids[1]",
            "INVALID_ID",
        ),
        (
            allocation(channel_ids=["a"] * 257),
            "allocations[0].channel_ids",
            "TOO_MANY",
        ),
        (
            allocation(following_ids=[""]),
            "allocations[0].following_ids[0]",
            "REQUIRED",
        ),
        (
            allocation(following_ids=["a"] * 257),
            "allocations[0].following_ids",
            "TOO_MANY",
        ),
        (
            Request(allocations=[channel_pb2.Allocation(**GOOD_ALLOCATION)] * 2),
            "allocations[1].allocation_id",
            "DUPLICATE",
        ),
        (kit(("a", 1), sku=""), "kits[0].sku", "REQUIRED"),
        (kit(("", 1)), "kits[0].components[0].sku", "REQUIRED"),
        (kit(("a", 0)), "kits[0].components[0].quantity_units", "OUT_OF_RANGE"),
        (kit(*[("a", 1)] * 1_001), "kits[0].components", "TOO_MANY"),
        (
            Request(kits=[channel_pb2.Kit(sku="k")] * 2),
            "kits[1].sku",
            "DUPLICATE",
        ),
        (supply(supply_id=""), "supplies[0].supply_id", "REQUIRED"),
        (supply(location_id=""), "supplies[0].location_id", "REQUIRED"),
        (supply(sku=""), "supplies[0].sku", "REQUIRED"),
        (supply(quantity_units=0), "supplies[0].quantity_units", "OUT_OF_RANGE"),
        (
            supply(quantity_units=10**12 + 1),
            "supplies[0].quantity_units",
            "OUT_OF_RANGE",
        ),
        (
            supply(available_from_time=None),
            "supplies[0].available_from_time",
            "REQUIRED",
        ),
        (
            supply(available_from_time=LATE),
            "supplies[0].available_from_time",
            "OUT_OF_RANGE",
        ),
        (supply(source=0), "supplies[0].source", "REQUIRED"),
        (supply(source=7), "supplies[0].source", "UNKNOWN"),
        (
            Request(supplies=[channel_pb2.FutureSupply(**GOOD_SUPPLY)] * 2),
            "supplies[1].supply_id",
            "DUPLICATE",
        ),
        (Request(removed_channel_ids=[""]), "removed_channel_ids[0]", "REQUIRED"),
        (
            Request(removed_channel_ids=["w"] * 2),
            "removed_channel_ids[1]",
            "DUPLICATE",
        ),
        (
            Request(
                channels=[channel_pb2.Channel(channel_id="w")],
                removed_channel_ids=["w"],
            ),
            "removed_channel_ids[0]",
            "CONFLICT",
        ),
        (
            Request(
                settings=[
                    channel_pb2.SettingsEntry(settings=channel_pb2.Settings())
                ],
                removed_settings=[channel_service_pb2.SettingsKey()],
            ),
            "removed_settings[0]",
            "CONFLICT",
        ),
        (
            Request(removed_settings=[channel_service_pb2.SettingsKey(sku=" ")]),
            "removed_settings[0].sku",
            "INVALID_ID",
        ),
        (
            Request(
                allocations=[channel_pb2.Allocation(**GOOD_ALLOCATION)],
                removed_allocation_ids=["a"],
            ),
            "removed_allocation_ids[0]",
            "CONFLICT",
        ),
        (
            Request(kits=[channel_pb2.Kit(sku="k")], removed_kit_skus=["k"]),
            "removed_kit_skus[0]",
            "CONFLICT",
        ),
        (
            Request(
                supplies=[channel_pb2.FutureSupply(**GOOD_SUPPLY)],
                removed_supply_ids=["s"],
            ),
            "removed_supply_ids[0]",
            "CONFLICT",
        ),
    ],
)  # fmt: skip
def test_what_has_not_the_shape(wire: Request, path: str, reason: str) -> None:
    violations: list[Violation] = []

    decode_setup_change(wire, violations)

    assert [(each.path, each.reason) for each in violations] == [(path, reason)]


PAIRS: list[tuple[Any, Mapping[Any, Any], Mapping[Any, Any], Any]] = [
    (
        channel_pb2.AllocationPurpose,
        enums.PURPOSE_TO_WIRE,
        enums.PURPOSE_FROM_WIRE,
        Purpose,
    ),
    (
        channel_pb2.SupplySource,
        enums.SOURCE_TO_WIRE,
        enums.SOURCE_FROM_WIRE,
        SupplySource,
    ),
    (
        channel_pb2.Backorders,
        enums.BACKORDERS_TO_WIRE,
        enums.BACKORDERS_FROM_WIRE,
        Backorders,
    ),
    (
        availability_service_pb2.AvailabilityStatus,
        enums.OFFER_STATUS_TO_WIRE,
        enums.OFFER_STATUS_FROM_WIRE,
        Status,
    ),
    (
        availability_service_pb2.AvailabilityRule,
        enums.RULE_TO_WIRE,
        enums.RULE_FROM_WIRE,
        Rule,
    ),
    (
        availability_service_pb2.SettingsLevel,
        enums.LEVEL_TO_WIRE,
        enums.LEVEL_FROM_WIRE,
        Level,
    ),
]


@pytest.mark.parametrize(
    ("wire", "to_wire", "from_wire", "members"),
    PAIRS,
    ids=[pair[0].DESCRIPTOR.name for pair in PAIRS],
)
def test_every_member_has_one_number(
    wire: Any, to_wire: Mapping[Any, Any], from_wire: Mapping[Any, Any], members: Any
) -> None:
    assert set(to_wire) == set(members)
    assert set(from_wire) == set(wire.values()) - {0}
    assert all(from_wire[to_wire[member]] is member for member in members)


def test_every_enum_of_the_contract_is_in_the_table() -> None:
    files = (
        channel_pb2.DESCRIPTOR,
        channel_service_pb2.DESCRIPTOR,
        availability_service_pb2.DESCRIPTOR,
    )
    named = {name for file in files for name in file.enum_types_by_name}
    # What a caller asks for, and bits: no enum of the model.
    of_the_wire = {"SetupKind", "AvailabilityField", "AvailabilityFlag"}

    assert named - of_the_wire == {pair[0].DESCRIPTOR.name for pair in PAIRS}
