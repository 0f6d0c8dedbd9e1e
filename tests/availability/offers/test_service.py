"""Offers over a stock in memory: one by one for a few, in bulk for many."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from availability.errors import StockConflict
from availability.memory_stock import MemoryStock
from availability.model import Location, LocationId, Sku, StockRecord
from availability.offers.service import FEW, MAX_READS, Offering
from availability.positions import Positions
from availability.setup.channels import Allocation, Channel
from availability.setup.kits import Component
from availability.setup.settings import Settings, SettingsBook
from availability.setup.setup import Setup
from tests.availability.offers.worlds import NOW_SECONDS

HAT, SHIRT, OUTFIT = Sku("hat"), Sku("shirt"), Sku("outfit")
KITS = {OUTFIT: (Component(HAT, 1), Component(SHIRT, 2))}
DC = LocationId("dc")
CHANNELS = ("web", "shop", "pos", "app")
ON_WEB = frozenset({"web"})
STOP = Allocation("a", HAT, 0, channel_ids=ON_WEB, rank=2)
BEFORE_IT = Allocation("b", HAT, 9, channel_ids=ON_WEB, rank=1)
FIXED = Settings(fixed_units=5)


def column(name: str, *records: StockRecord, **setup: Any) -> list[bool]:
    """Return a column of `web`, read alone and among many, for HAT, SHIRT, OUTFIT."""
    channels = {each: Channel(each) for each in CHANNELS}
    stock = MemoryStock([Location(DC)], records, Setup(channels, kits=KITS, **setup))
    shelf: Any = stock  # no records to explain, but all that is promised
    offering, skus = Offering(shelf, lambda: NOW_SECONDS), [HAT, SHIRT, OUTFIT]
    assert len(skus) <= FEW < len(CHANNELS) * len(skus)
    alone = getattr(offering.offers(["web"], skus).offers, name)[0].tolist()
    assert getattr(offering.offers(CHANNELS, skus).offers, name)[0].tolist() == alone
    found: list[bool] = alone
    return found


@pytest.mark.parametrize(
    ("given", "fixed"),
    [
        ({}, [False, False, False]),
        ({"book": SettingsBook(FIXED)}, [True, True, True]),
        ({"book": SettingsBook(channels={"web": FIXED})}, [True, True, True]),
        ({"book": SettingsBook(channels={"shop": FIXED})}, [False, False, False]),
        ({"book": SettingsBook(skus={HAT: FIXED})}, [True, False, True]),
        (
            {"book": SettingsBook(channel_skus={("web", HAT): FIXED})},
            [True, False, True],
        ),
        (
            {"book": SettingsBook(channel_skus={("shop", HAT): FIXED})},
            [False, False, False],
        ),
        (
            {"book": SettingsBook(FIXED), "allocations": {"a": STOP}},
            [False, True, True],
        ),
        (
            # The first in rank governs the channel, and it does not stop.
            {"book": SettingsBook(FIXED), "allocations": {"a": STOP, "b": BEFORE_IT}},
            [True, True, True],
        ),
    ],
)  # fmt: skip
def test_fixed_offers(given: dict[str, Any], fixed: list[bool]) -> None:
    """The most specific level counts, a stop-sell lifts it, a kit has it of a part."""
    assert column("fixed", **given) == fixed


@pytest.mark.parametrize(
    ("given", "declared"),
    [
        ({}, [False, False, False]),
        ({"book": SettingsBook(Settings(floor_units=0))}, [False, True, False]),
        ({"book": SettingsBook(FIXED)}, [False, True, False]),
        ({"book": SettingsBook(Settings(managed=False))}, [False, False, False]),
    ],
)
def test_declared_offers(given: dict[str, Any], declared: list[bool]) -> None:
    """Hats are counted, shirts are not; a kit of unknown parts is never declared."""
    assert column("declared", StockRecord(DC, HAT, 9), **given) == declared


class Changing:
    """A stock whose setup is another one after each of some reads."""

    def __init__(self, changes: int) -> None:
        self._changes = changes
        self._setup = Setup({"web": Channel("web")})

    def setup(self) -> Setup:
        return self._setup

    def positions(self, skus: Sequence[Sku]) -> Positions:
        if self._changes:
            self._changes -= 1
            self._setup = replace(self._setup, kits=KITS)
        stock = MemoryStock([Location(DC)], [StockRecord(DC, HAT, 9)], self._setup)
        return stock.positions(skus)


def test_a_kit_that_appears_between_two_reads_is_read_with_its_parts() -> None:
    shelf: Any = Changing(1)

    answer = Offering(shelf, lambda: NOW_SECONDS).offers(["web"], [OUTFIT, HAT])

    assert answer.offers.quantity_units.tolist() == [[0, 9]]


def test_a_setup_that_never_rests_is_given_up() -> None:
    shelf: Any = Changing(MAX_READS)

    with pytest.raises(StockConflict, match=str(MAX_READS)):
        Offering(shelf, lambda: NOW_SECONDS).offers(["web"], [HAT])


def test_a_kit_that_is_asked_for_twice_is_read_with_its_part() -> None:
    pair = Setup({"web": Channel("web")}, kits={OUTFIT: (Component(HAT, 2),)})
    shelf: Any = MemoryStock([Location(DC)], [StockRecord(DC, HAT, 9)], pair)

    answer = Offering(shelf, lambda: NOW_SECONDS).offers(["web"], [OUTFIT, OUTFIT])

    assert answer.offers.quantity_units.tolist() == [[4, 4]]
