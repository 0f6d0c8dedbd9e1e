"""A network file into a target that keeps its calls."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from availability.imports.network_file import read_network_file
from availability.model import Location
from availability.setup.setup import Setup, SetupChange, SetupResult, changed
from router.cli.importing.network import import_network
from router.cli.remote.client import CallFailed
from router.cli.remote.open import Target

BEFORE = """
[[locations]]
location_id = "dc"
rank = 1
[[locations]]
location_id = "old"
rank = 2
[[channels]]
channel_id = "web"
rules = [{}, { groups = ["city"] }]
[[channels]]
channel_id = "gone"
[settings.channels.web]
buffer_units = 2
[settings.channels.gone]
buffer_units = 1
[settings.skus.hat]
preorders = []
[[allocations]]
allocation_id = "r1"
sku = "hat"
quantity_units = 5
[[allocations]]
allocation_id = "r2"
sku = "hat"
quantity_units = 5
[[kits]]
sku = "set"
components = [{ sku = "cup", quantity_units = 2 }]
"""
AFTER = """
[[locations]]
location_id = "dc"
rank = 1
zones = [{ zone_id = "rack" }]
[[locations]]
location_id = "new"
rank = 3
kind = "store"
[[channels]]
channel_id = "web"
rules = [{ share_permille = 500 }, { groups = ["city", "a"] }, { rank = 7 }]
[settings.global]
managed = false
[settings.channels.web]
buffer_units = 2
[settings.skus.hat]
preorders = [{ cap_units = 5, release_seconds = 2026-01-01T00:00:00Z }]
[settings.channel_skus.web."a b"]
min_units = 2
[[allocations]]
allocation_id = "r2"
sku = "hat"
quantity_units = 5
channel_ids = ["web"]
[[kits]]
sku = "set"
components = [{ sku = "cup", quantity_units = 3 }]
[[supplies]]
supply_id = "[po]"
location_id = "dc"
sku = "hat"
quantity_units = 9
available_from_seconds = 2026-01-01T00:00:00Z
"""
LINES = [
    '~ location dc: zones[0] unset -> {zone_id "rack"}',
    '+ location new: rank 3, kind "store"',
    "- channel gone",
    "~ channel web: rules[0].share_permille 1000 -> 500, "
    'rules[1].groups ["city"] -> ["a", "city"], rules[2] unset -> {rank 7}',
    "- settings channels.gone",
    "+ settings global: managed false",
    "~ settings skus.hat: preorders[0] unset -> {cap_units 5, "
    "release_seconds 2026-01-01T00:00:00+00:00}",
    '+ settings channel_skus.web."a b": min_units 2',
    "- allocation r1",
    '~ allocation r2: channel_ids [] -> ["web"]',
    "~ kit set: [0].quantity_units 2 -> 3",
    '+ supply [po]: location_id "dc", sku "hat", quantity_units 9, '
    "available_from_seconds 2026-01-01T00:00:00+00:00",
]


class FakeTarget:
    """Applies changes in memory, and keeps its calls."""

    def __init__(self, setup: Setup, locations: Sequence[Location]) -> None:
        self._setup = setup
        self._locations = {each.location_id: each for each in locations}
        self.calls: list[tuple[str, SetupChange, list[str]]] = []
        self.failure: BaseException | None = None

    def setup(self) -> Setup:
        return self._setup

    def locations(self) -> Sequence[Location]:
        return list(self._locations.values())

    def put_setup(
        self, request_id: str, change: SetupChange, locations: Sequence[Location]
    ) -> SetupResult:
        if self.failure is not None:
            raise self.failure
        put = [each.location_id for each in locations]
        self.calls.append((request_id, change, [*put]))
        self._setup = changed(self._setup, change)
        self._locations |= {each.location_id: each for each in locations}
        return SetupResult(1, 2, 3, 4, 5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "network.toml"


@pytest.fixture
def target(path: Path) -> FakeTarget:
    path.write_text(BEFORE)
    read = read_network_file(path)
    path.write_text(AFTER)
    return FakeTarget(read.setup, read.locations)


def send(
    target: FakeTarget, path: Path, *, dry_run: bool = False, keep: bool = False
) -> SetupResult | None:
    read = read_network_file(path)
    return import_network(cast(Target, target), read, "id-1", dry_run, keep)


def test_shows_the_difference_and_applies_it_at_once(
    target: FakeTarget, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    send(target, path)

    assert capsys.readouterr().out.splitlines() == [
        *LINES,
        "4 to add, 5 to change, 3 to remove, 1 unchanged; "
        "1 location not in the file kept",
        "network: 1 created, 2 replaced, 3 removed, 4 unchanged",
    ]
    [(request_id, change, put)] = target.calls
    assert (request_id, put) == ("id-1", ["dc", "new"])
    assert change.count == 10


def test_afterwards_it_is_as_the_file_says(target: FakeTarget, path: Path) -> None:
    send(target, path)

    read = read_network_file(path)
    assert target.setup().channels == read.setup.channels
    assert target.setup().book == read.setup.book
    assert set(target.setup().allocations) == {"r2"}
    assert [each.location_id for each in target.locations()] == ["dc", "old", "new"]


def test_a_repeat_calls_nothing(
    target: FakeTarget, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    send(target, path)
    capsys.readouterr()

    assert send(target, path) is None

    assert len(target.calls) == 1
    assert capsys.readouterr().out.splitlines() == [
        "0 to add, 0 to change, 0 to remove, 10 unchanged; "
        "1 location not in the file kept",
        "network: nothing changed",
    ]


def test_a_dry_run_shows_the_same_and_calls_nothing(
    target: FakeTarget, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert send(target, path, dry_run=True) is None

    assert capsys.readouterr().out.splitlines()[:12] == LINES
    assert target.calls == []


def test_keep_removes_nothing(
    target: FakeTarget, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    send(target, path, keep=True)

    lines = capsys.readouterr().out.splitlines()
    assert lines[:9] == [line for line in LINES if line[0] != "-"]
    assert lines[9].startswith("4 to add, 5 to change, 0 to remove, 1 unchanged")
    assert set(target.setup().channels) == {"web", "gone"}
    assert set(target.setup().allocations) == {"r1", "r2"}


def test_what_is_lost_may_be_repeated_with_its_id(
    target: FakeTarget, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hint = (
        "either everything or nothing was changed; to be sure, repeat the command "
        "with --request-id id-1"
    )
    target.failure = CallFailed("gone", lost=True)
    with pytest.raises(CallFailed) as lost:
        send(target, path)
    assert lost.value.lines == ("gone", hint)

    target.failure = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        send(target, path)
    assert capsys.readouterr().err == f"repartir: {hint}\n"


def test_a_refusal_is_passed_on_as_it_is(target: FakeTarget, path: Path) -> None:
    target.failure = CallFailed("channels[web]: no")

    with pytest.raises(CallFailed) as refused:
        send(target, path)

    assert refused.value.lines == ("channels[web]: no",)
