from collections.abc import Callable
from pathlib import Path

import pytest

from availability.errors import BadFile
from availability.imports import toml_file
from availability.imports.network_file import NetworkFile, read_network_file
from availability.model import Location, LocationId, LocationKind, Sku, Zone
from availability.setup.channels import (
    Allocation,
    Channel,
    FutureSupply,
    Purpose,
    SupplyRule,
)
from availability.setup.kits import Component
from availability.setup.settings import (
    Backorders,
    CustomerLimit,
    Preorder,
    Settings,
    SettingsBook,
)

EXAMPLE = Path(__file__).parents[3] / "examples" / "network.toml"
Read = Callable[[str | bytes], NetworkFile]

EVERYTHING = """
[[locations]]
location_id = "shop"
rank = 2
kind = "store"
active = false
latitude = 45
longitude = -73.5
country_code = "CA"
origin_id = "site"
groups = ["b", "a"]
shipping_methods = ["post"]
channel_ids = ["web"]
capacity_orders = 5
capacity_units = 50
shipment_cost_micros = 7
unit_cost_micros = 8
workload_minutes = 9
zones = [{ zone_id = "z" }, { zone_id = "y", available = false }]
stale_after_seconds = 60
lead_time_minutes = 2880

[[locations]]
location_id = "dc"
rank = 1

[[channels]]
channel_id = "web"
[[channels.rules]]
rank = 1
kinds = ["store"]
groups = ["a"]
include_ids = ["shop"]
exclude_ids = ["dc"]
min_units = 1
max_units = 9
share_permille = 500
threshold_units = 2
min_locations = 1

[settings.global]
backorders = "allow"
[[settings.global.preorders]]
cap_units = 3
starts_seconds = 5
release_seconds = 1970-01-01T01:00:10+01:00
[settings.channels.web]
customer_limit = { max_units = 6, window_seconds = 60 }
[settings.skus."a.b"]
managed = false
[settings.channel_skus.web."a.b"]
min_units = 2

[[allocations]]
allocation_id = "second"
sku = "hat"
quantity_units = 4
purpose = "presell"
channel_ids = ["web"]
following = ["web"]
rank = 3
[[allocations]]
allocation_id = "first"
sku = "hat"
quantity_units = 0

[[kits]]
sku = "set"
components = [{ sku = "cup", quantity_units = 2 }]

[[supplies]]
supply_id = "po"
location_id = "dc"
sku = "cup"
quantity_units = 10
available_from_seconds = 1970-01-01T00:01:00Z
source = "manufacturing"
"""


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(content: str | bytes) -> NetworkFile:
        path = tmp_path / "net.toml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_network_file(path)

    return read


def faults(read: Read, content: str | bytes) -> list[str]:
    """Return the faults, `file: path: message` each, without the folder."""
    with pytest.raises(BadFile) as caught:
        read(content)
    return [line.rpartition("/")[2] for line in caught.value.lines]


def paths(read: Read, content: str) -> list[str]:
    return [line.split(": ")[1] for line in faults(read, content)]


def test_reads_every_field(read: Read) -> None:
    found = read(EVERYTHING)

    shop = Location(
        LocationId("shop"),
        2,
        LocationKind.STORE,
        False,
        45.0,
        -73.5,
        "CA",
        "site",
        frozenset({"a", "b"}),
        frozenset({"post"}),
        frozenset({"web"}),
        5,
        50,
        7,
        8,
        9,
        (Zone("z"), Zone("y", False)),
        60,
        2_880,
    )
    assert found.locations == (shop, Location(LocationId("dc"), 1))
    rule = SupplyRule(
        1,
        frozenset({LocationKind.STORE}),
        frozenset({"a"}),
        frozenset({LocationId("shop")}),
        frozenset({LocationId("dc")}),
        1,
        9,
        500,
        2,
        1,
    )
    setup = found.setup
    assert setup.channels == {"web": Channel("web", (rule,))}
    assert setup.book == SettingsBook(
        Settings(backorders=Backorders.ALLOW, preorders=(Preorder(3, 10, 5),)),
        {"web": Settings(customer_limit=CustomerLimit(6, 60))},
        {Sku("a.b"): Settings(managed=False)},
        {("web", Sku("a.b")): Settings(min_units=2)},
    )
    web = frozenset({"web"})
    assert list(setup.allocations.values()) == [
        Allocation("second", Sku("hat"), 4, Purpose.PRESELL, web, web, 0, 3, 1),
        Allocation("first", Sku("hat"), 0, created_number=2),
    ]
    assert setup.kits == {"set": (Component(Sku("cup"), 2),)}
    [supply] = setup.supplies.values()
    assert isinstance(supply, FutureSupply)
    assert (supply.supply_id, supply.available_from_seconds) == ("po", 60)


def test_the_example_is_right() -> None:
    found = read_network_file(EXAMPLE)

    assert [each.location_id for each in found.locations] == [
        "dc",
        "laval",
        "sherbrooke",
    ]
    assert set(found.setup.kits) == {"outfit"}


def test_an_empty_file_says_nothing(read: Read) -> None:
    assert read("") == NetworkFile()


def test_what_says_nothing_is_not_there(read: Read) -> None:
    content = "[[channels]]\nchannel_id = 'web'\n[settings.channels.web]\n"

    assert read(content).setup.book == SettingsBook()


def test_windows_marks_and_line_ends(read: Read) -> None:
    found = read(b"\xef\xbb\xbf[[channels]]\r\nchannel_id = 'web'\r\n")

    assert set(found.setup.channels) == {"web"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a = 1\na = 2\n", "net.toml:2:6: Cannot overwrite a value"),
        ("a = [1,\n", "net.toml:2:1: Invalid value"),
        (b"a = 1\nb = '\xff'", "net.toml:2: is not UTF-8: save the file as UTF-8"),
        ("a = " + "[" * 9_999, "net.toml: is nested too deeply"),
        ("a = " + "9" * 9_999, "net.toml: holds a number with too many digits"),
    ],
)
def test_what_is_no_toml(read: Read, content: str | bytes, said: str) -> None:
    assert faults(read, content) == [said]


def test_a_file_that_is_too_large_is_not_read(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toml_file, "MAX_FILE_BYTES", 2**20)

    assert read(b"#" * 2**20) == NetworkFile()
    assert faults(read, b"#" * (2**20 + 1)) == ["net.toml: is larger than 1 MiB"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="cannot be read: No such file"):
        read_network_file(tmp_path / "none.toml")


def test_all_faults_at_once_by_their_places(read: Read) -> None:
    """The first item of every table is right, so that a place cannot be guessed."""
    content = """
        extra = 1
        [[locations]]
        location_id = "dc"
        rank = 2
        [[locations]]
        location_id = "mall"
        rank = 1
        channel_ids = ["gone"]
        [[locations]]
        location_id = " x"
        rank = 0
        zones = [{ zone_id = "a" }, { zone_id = "", available = 1 }]
        [[locations]]
        location_id = "dc"
        [[channels]]
        channel_id = "web"
        [[channels]]
        channel_id = "b2b"
        rules = [{}, { share_permille = 1001, include_ids = ["moon"] }]
        [[channels]]
        channel_id = "shop"
        rules = [{ share_permille = "all" }, { colour = 1 }]
        [settings.global]
        low_units = -1
        [settings.channels.shop]
        low_units = 1
        [settings.channels.nobody]
        low_units = 1
        [settings.skus."a b"]
        preorders = [{ cap_units = 1, release_seconds = 9, presold_units = 1 }]
        [settings.channel_skus.web."a[b"]
        customer_limit = { max_units = 1, window_seconds = 0 }
        [settings.levels]
        [[allocations]]
        allocation_id = "r1"
        sku = "hat"
        quantity_units = 1
        consumed_units = 1
        created_number = 1
        [[allocations]]
        allocation_id = "r2"
        sku = "set"
        quantity_units = 1
        following = ["web"]
        [[kits]]
        sku = "set"
        components = [{ sku = "cup", quantity_units = 1 }]
        [[kits]]
        sku = "set2"
        colour = "red"
        components = [{ sku = "set", quantity_units = 1 }]
        [[supplies]]
        supply_id = "s1"
        location_id = "dc"
        sku = "hat"
        quantity_units = 1
        available_from_seconds = 1
        [[supplies]]
        location_id = "dc"
        sku = "hat"
        quantity_units = 0
        available_from_seconds = 1
        [[supplies]]
        supply_id = "s3"
        location_id = "moon"
        sku = "hat"
        quantity_units = 1
        available_from_seconds = 1
    """

    assert sorted(paths(read, content)) == sorted(
        [
            "extra",
            "locations[1].channel_ids",
            "locations[2].location_id",
            "locations[2].rank",
            "locations[2].zones[1].zone_id",
            "locations[2].zones[1].available",
            "locations[3].location_id",
            "channels[1].rules[1].share_permille",
            "channels[1].rules[1].include_ids",
            "channels[2].rules[0].share_permille",
            "channels[2].rules[1].colour",
            "settings.global.low_units",
            "settings.channels.nobody",
            'settings.skus."a b".preorders[0].presold_units',
            'settings.channel_skus.web."a[b".customer_limit.window_seconds',
            "settings.levels",
            "allocations[0].consumed_units",
            "allocations[0].created_number",
            "allocations[1].sku",
            "allocations[1].following",
            "kits[1].colour",
            "kits[1].components[0].sku",
            "supplies[1].supply_id",
            "supplies[1]",
            "supplies[2].location_id",
        ]
    )


def test_a_message_names_file_path_and_fault(read: Read) -> None:
    content = "[[channels]]\nchannel_id = 'web'\nrules = [{ share_permille = 1001 }]"

    assert faults(read, content) == [
        "net.toml: channels[0].rules[0].share_permille: "
        "must be from 0 to 1000, got 1001"
    ]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("2026-01-31T09:00:00", "needs a date, a time and its offset"),
        ("2026-01-31", "needs a date, a time and its offset"),
        ("09:00:00", "needs a date, a time and its offset"),
        ("2026-01-31T09:00:00.5Z", "must be a whole second"),
        ("1969-12-31T23:59:59Z", "must be from 0 to"),
        ("-1", "must be from 0 to"),
        ("1.5", "valid integer"),
        ("'soon'", "valid integer"),
        ("true", "valid integer"),
    ],
)
def test_an_instant_needs_its_offset(read: Read, value: str, said: str) -> None:
    content = f"""
        [settings.global]
        preorders = [{{ cap_units = 1, release_seconds = {value} }}]
    """

    [fault] = faults(read, content)

    where, message = fault.removeprefix("net.toml: ").split(": ", 1)
    assert where == "settings.global.preorders[0].release_seconds"
    assert said in message


@pytest.mark.parametrize(
    ("content", "path"),
    [
        ("locations = 3", "locations"),
        ("locations = [3]", "locations[0]"),
        ("[locations]\nlocation_id = 'dc'", "locations"),
        ("settings = 3", "settings"),
        ("[settings]\nglobal = 3", "settings.global"),
        ("[settings]\nskus = 3", "settings.skus"),
        ("[settings.channels.'']\nlow_units = 1", 'settings.channels.""'),
        ("[settings.skus.' x']\nlow_units = 1", 'settings.skus." x"'),
        ("[settings.global]\nlow_units = 2026-01-01", "settings.global.low_units"),
        ("[settings.global]\nlow_units = 1.0", "settings.global.low_units"),
        ("[settings.global]\nlow_units = inf", "settings.global.low_units"),
        (
            f"[settings.global]\nlow_units = 0x{'f' * 9_999}",
            "settings.global.low_units",
        ),
        ("[[kits]]\nsku = 'set'", "kits[0].components"),
        ("[[kits]]\nsku = 'set'\ncomponents = []", "kits[0].components"),
        ("[[channels]]\nrules = []", "channels[0].channel_id"),
        ("[[channels]]\nchannel_id = 3", "channels[0].channel_id"),
        (
            "[[locations]]\nlocation_id = 'a'\ngroups = ['x', 'x']",
            "locations[0].groups[1]",
        ),
        ("[[locations]]\nlocation_id = 'a'\nlatitude = 1.0", "locations[0]"),
        (
            "[[locations]]\nlocation_id = 'a'\ncountry_code = 'ca'",
            "locations[0].country_code",
        ),
    ],
)  # fmt: skip
def test_one_fault_is_one_line(read: Read, content: str, path: str) -> None:
    assert paths(read, content) == [path]


def test_what_depends_on_a_bad_value_is_not_held_against_others(read: Read) -> None:
    """The 3 is hidden below a threshold that cannot be read: it may be right."""
    content = """
        [settings.global]
        availability_threshold_units = "5"
        [settings.skus.hat]
        publication_threshold_units = 3
    """

    assert paths(read, content) == ["settings.global.availability_threshold_units"]
    assert paths(read, content.replace('"5"', "2")) == [
        "settings.skus.hat.publication_threshold_units"
    ]
