"""A stream tells what is, then what changes, and nothing is missed or told twice."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

import pytest

from availability.errors import ChannelNotFound, InvalidChange
from availability.model import Location, LocationId, Sku
from availability.setup.channels import FutureSupply
from availability.setup.kits import Component
from availability.setup.settings import Preorder, Settings, SettingsBook
from availability.v1 import availability_service_pb2 as pb
from router.rpc.background import watch as watch_module
from router.rpc.background import watch_stream
from router.rpc.background.offer_rows import OfferReader
from router.rpc.background.pulse import LedgerPulse
from router.rpc.background.watch import AGAIN_SECONDS, HEARTBEAT_SECONDS, Watches
from router.rpc.background.watch_stream import BATCH_ROWS
from router.rpc.codec.offers import decode_columns
from router.rpc.codec.watch import decode_watch
from router.rpc.transport.errors import Overloaded
from tests.router.rpc.calls import StepClock
from tests.router.rpc.selling import FakeLedger, FakeSource, StepPulse

Batch = pb.WatchAvailabilityResponse


class Stage:
    """A server's watches over offers and changes that a test makes."""

    def __init__(self, source: FakeSource, *locations: Location) -> None:
        self.source = source
        self.ledger = FakeLedger(*locations)
        self.clock = StepClock()
        self.pulse = StepPulse()
        reader = OfferReader(source)
        ledger = cast(Any, self.ledger)
        self.watches = Watches(reader, ledger, self.clock, self.pulse)

    def change(self, **units: int) -> None:
        """Change what may be promised."""
        self.source.units |= units
        self.source.version += 1
        self.ledger.tell(*units)
        self.pulse.tell()

    @asynccontextmanager
    async def stream(self, *skus: str, **fields: Any) -> AsyncIterator["Stream"]:
        wire = pb.WatchAvailabilityRequest(channel_id="web", skus=skus, **fields)
        async with aclosing(self.watches.batches(decode_watch(wire))) as batches:
            yield Stream(batches)


class Stream:
    def __init__(self, batches: Any) -> None:
        self._batches = batches

    async def next(self) -> Batch:
        return Batch.FromString(await asyncio.wait_for(anext(self._batches), 20))

    async def ends(self) -> bool:
        try:
            await self.next()
        except StopAsyncIteration:
            return True
        return False


def units(batch: Batch) -> dict[str, int]:
    rows = decode_columns(batch.columns)
    return dict(zip(batch.skus, rows.quantity_units.tolist(), strict=True))


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_first_comes_what_is_then_what_changes() -> None:
    async def play() -> None:
        stage = Stage(FakeSource(hat=3, shoes=0, shirt=-1))
        async with stage.stream("shirt", "hat", "nobody", "hat") as stream:
            first = await stream.next()
            stage.change(hat=2)
            second = await stream.next()

        assert units(first) == {"hat": 3, "nobody": 0, "shirt": -1}
        assert units(second) == {"hat": 2}
        assert (first.stock_version, second.stock_version) == (1, 2)
        assert first.resume_token != second.resume_token != ""

    run(play())


def test_what_is_not_watched_and_what_is_the_same_is_not_told() -> None:
    async def play() -> None:
        stage = Stage(FakeSource(hat=3, shoes=1))
        async with stage.stream("hat") as stream:
            await stream.next()
            stage.change(shoes=7)
            stage.change(hat=3)
            batch = await stream.next()

        # The next that comes is the heartbeat, with how far the stream has come.
        assert units(batch) == {}
        assert stage.pulse.seconds == pytest.approx(HEARTBEAT_SECONDS)
        assert stage.source.asked == [["hat"], ["hat"]]
        assert batch.stock_version == 3

    run(play())


def test_a_column_that_was_not_asked_for_wakes_nobody() -> None:
    async def play(fields: list[Any]) -> dict[str, int]:
        stage = Stage(FakeSource(hat=3))
        async with stage.stream("hat", fields=fields) as stream:
            await stream.next()
            stage.source.values["max_orderable_units"] = 2
            stage.change(hat=3)
            return units(await stream.next())

    assert asyncio.run(play([])) == {}
    assert asyncio.run(play([pb.AVAILABILITY_FIELD_SINGLE_LOCATION])) == {}
    assert asyncio.run(play([pb.AVAILABILITY_FIELD_MAX_ORDERABLE])) == {"hat": 3}


@pytest.mark.parametrize(("column", "value"), [("net_units", 2), ("counted", False)])
def test_the_net_wakes_those_who_asked_for_it(column: str, value: Any) -> None:
    async def play(fields: list[Any]) -> dict[str, int]:
        stage = Stage(FakeSource(hat=3))
        async with stage.stream("hat", fields=fields) as stream:
            await stream.next()
            stage.source.values[column] = value
            stage.change(hat=3)
            return units(await stream.next())

    assert asyncio.run(play([])) == {}
    assert asyncio.run(play([pb.AVAILABILITY_FIELD_NET])) == {"hat": 3}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("status", 1),
        ("published", False),
        ("known", False),
        ("backorder_notice", True),
        ("available_from_seconds", 1_800_000_000),
    ],
)
def test_every_column_that_is_sent_is_looked_at(column: str, value: Any) -> None:
    async def play() -> None:
        stage = Stage(FakeSource(hat=3))
        async with stage.stream("hat") as stream:
            await stream.next()
            stage.source.values[column] = value
            stage.change(hat=3)

            assert units(await stream.next()) == {"hat": 3}

    run(play())


def test_a_slow_reader_gets_the_newest_values_once() -> None:
    async def play() -> None:
        stage = Stage(FakeSource(hat=100, shirt=100))
        async with stage.stream() as stream:
            await stream.next()
            for left in range(99, 0, -1):
                stage.change(hat=left)
            stage.change(shirt=7)
            batch = await stream.next()

            assert units(batch) == {"hat": 1, "shirt": 7}
            # Nothing waits behind it.
            assert units(await stream.next()) == {}

    run(play())


def test_all_skus_are_those_that_come_later_too() -> None:
    async def play() -> None:
        stage = Stage(FakeSource(hat=3))
        async with stage.stream() as stream:
            first = await stream.next()
            # What is learnt does not make what was told before new.
            stage.change(boots=4, hat=3)
            second = await stream.next()
            stage.change(hat=1, boots=4)
            third = await stream.next()
            # A SKU that goes is told to be gone.
            del stage.source.units["boots"]
            stage.ledger.log.add_everything()
            stage.pulse.tell()
            fourth = await stream.next()

        assert [units(each) for each in (first, second, third, fourth)] == [
            {"hat": 3},
            {"boots": 4},
            {"hat": 1},
            {"boots": 0},
        ]
        (flags,) = decode_columns(fourth.columns).flags.tolist()
        assert flags & pb.AVAILABILITY_FLAG_NO_SUCH_SKU

    run(play())


def test_a_kit_changes_with_its_components() -> None:
    async def play() -> None:
        stage = Stage(FakeSource(hat=3, outfit=3))
        kit = (Component(Sku("hat"), 1), Component(Sku("shirt"), 1))
        stage.ledger.say(kits={Sku("outfit"): kit})
        async with stage.stream("outfit") as stream:
            await stream.next()
            stage.source.units["outfit"] = 2
            stage.change(hat=2)

            assert units(await stream.next()) == {"outfit": 2}

    run(play())


def test_a_change_of_the_setup_works_everything_out_again() -> None:
    async def play() -> None:
        stage = Stage(FakeSource(hat=3, shirt=4))
        async with stage.stream() as stream:
            await stream.next()
            stage.source.units["shirt"] = 5
            stage.ledger.say(version=9)
            stage.pulse.tell()

            assert units(await stream.next()) == {"shirt": 5}
        assert stage.source.asked == [["hat", "shirt"]] * 2

    run(play())


def test_a_token_resumes_where_its_stream_was() -> None:
    async def play() -> None:
        stage = Stage(FakeSource(hat=3, shirt=4, boots=5))
        async with stage.stream("hat", "shirt", "boots") as stream:
            token = (await stream.next()).resume_token
        stage.change(hat=2)
        async with stage.stream("boots", "hat", "shirt", resume_token=token) as stream:
            again = await stream.next()
            # What was not sent on this stream is found all the same.
            stage.change(shirt=1)
            more = await stream.next()
        at = stage.pulse.seconds
        async with stage.stream(
            "boots", "hat", "shirt", resume_token=more.resume_token
        ) as stream:
            nothing = await stream.next()

        # Each time what changed since, and at once.
        assert stage.source.asked[1:] == [["hat"], ["shirt"]]
        assert stage.pulse.seconds == at
        assert units(again) == {"hat": 2}
        assert units(more) == {"shirt": 1}
        assert units(nothing) == {}
        assert nothing.resume_token

    run(play())


def test_a_token_that_does_not_fit_is_no_token() -> None:
    async def play() -> None:
        stage = Stage(FakeSource(hat=3, shirt=4))
        async with stage.stream("hat") as stream:
            token = (await stream.next()).resume_token
        other = Stage(FakeSource(hat=3, shirt=4))

        async def sent(to: Stage, *skus: str, **fields: Any) -> dict[str, int]:
            async with to.stream(*skus, resume_token=token, **fields) as stream:
                return units(await stream.next())

        assert await sent(stage, "hat") == {}
        assert await sent(stage, "hat", "shirt") == {"hat": 3, "shirt": 4}
        assert await sent(stage) == {"hat": 3, "shirt": 4}
        asked = {"fields": [pb.AVAILABILITY_FIELD_MAX_ORDERABLE]}
        assert await sent(stage, "hat", **asked) == {"hat": 3}
        # Another process counts its changes from where it likes.
        assert await sent(other, "hat") == {"hat": 3}

    run(play())


def test_a_token_of_too_long_ago_gets_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("availability.ledger.memory.change_log.KEPT_CHANGES", 3)

    async def play() -> None:
        stage = Stage(FakeSource(hat=3, shirt=4))
        async with stage.stream() as stream:
            token = (await stream.next()).resume_token
        for left in range(5):
            stage.change(hat=left)
        async with stage.stream(resume_token=token) as stream:
            assert units(await stream.next()) == {"hat": 4, "shirt": 4}

    run(play())


def test_a_first_batch_that_is_cut_has_a_token_only_at_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch_stream, "BATCH_ROWS", 10)
    monkeypatch.setattr(watch_module, "EVALUATED_ROWS", 25)

    async def play() -> None:
        stage = Stage(FakeSource(**{f"s{n:03d}": n + 1 for n in range(60)}))
        async with stage.stream() as stream:
            batches = [await stream.next() for _ in range(8)]
        sizes = [len(each.skus) for each in batches[:-1]]
        assert sizes == [10, 10, 5, 10, 10, 5, 10]
        assert [bool(each.resume_token) for each in batches] == [False] * 6 + [True] * 2
        assert units(batches[-1]) == {}
        assert sum(map(len, stage.source.asked)) == 60

    run(play())


def test_a_change_while_values_are_worked_out_is_not_missed() -> None:
    async def play() -> None:
        stage = Stage(FakeSource(hat=3))
        async with stage.stream("hat") as stream:
            await stream.next()

            def meanwhile() -> None:
                stage.source.after_reading = lambda: None
                stage.source.units["hat"] = 1
                stage.ledger.tell("hat")

            stage.source.after_reading = meanwhile
            stage.change(hat=2)
            assert units(await stream.next()) == {"hat": 2}
            assert units(await stream.next()) == {"hat": 1}

    run(play())


def test_a_heartbeat_comes_every_fifteen_seconds_and_costs_nothing() -> None:
    async def play() -> None:
        stage = Stage(FakeSource(hat=3))
        async with stage.stream("hat") as stream:
            token = (await stream.next()).resume_token
            beats = [await stream.next() for _ in range(3)]

        assert [units(each) for each in beats] == [{}] * 3
        assert {each.resume_token for each in beats} == {token}
        assert stage.pulse.waits == [HEARTBEAT_SECONDS] * 3
        assert stage.source.asked == [["hat"]]

    run(play())


def test_a_preorder_opens_by_itself() -> None:
    async def play() -> None:
        stage = Stage(FakeSource(hat=3, shirt=4))
        opens = int(stage.clock()) + 5
        said = Settings(preorders=(Preorder(10, opens + 100, opens),))
        stage.ledger.say(book=SettingsBook(skus={Sku("hat"): said}))

        def go() -> None:
            stage.clock.seconds += AGAIN_SECONDS
            if stage.clock() >= opens:
                stage.source.units["hat"] = 10

        stage.pulse.on_wait = go
        async with stage.stream() as stream:
            await stream.next()
            batch = await stream.next()
            opened = stage.clock()
            assert units(await stream.next()) == {}

        assert units(batch) == {"hat": 10}
        assert opened == opens
        # Only what an instant is said of, and only at that instant.
        assert stage.source.asked == [["hat", "shirt"], ["hat"]]
        assert set(stage.pulse.waits) == {AGAIN_SECONDS}
        assert len(stage.pulse.waits) == 5 + HEARTBEAT_SECONDS

    run(play())


def test_a_count_goes_stale_by_itself() -> None:
    async def play() -> None:
        trusted = 3
        place = LocationId("laval")
        stage = Stage(
            FakeSource(hat=3, shirt=4), Location(place, stale_after_seconds=trusted)
        )
        counted = int(stage.clock())
        stage.ledger.grid().set("hat", 0, 3, counted)
        stage.ledger.grid().set("shirt", 0, 4, counted + 1_000)
        stage.ledger.grid().set("never", 0, 0)

        def go() -> None:
            stage.clock.seconds += AGAIN_SECONDS
            if stage.clock() > counted + trusted:
                stage.source.units["hat"] = 0

        stage.pulse.on_wait = go
        async with stage.stream() as stream:
            await stream.next()
            assert units(await stream.next()) == {"hat": 0}
        assert stage.clock() == counted + trusted + 1
        assert stage.source.asked == [["hat", "shirt"], ["hat"]]

    run(play())


def test_a_receipt_comes_late_by_itself_and_a_token_knows() -> None:
    """What time changed between two streams is in no list of changes."""

    async def play() -> None:
        stage = Stage(FakeSource(hat=3, shirt=4))
        due = int(stage.clock()) + 50
        supply = FutureSupply(LocationId("laval"), Sku("hat"), 5, due)
        stage.ledger.say(supplies={"po": supply})
        async with stage.stream() as stream:
            token = (await stream.next()).resume_token
        stage.clock.seconds += 60

        async with stage.stream(resume_token=token) as stream:
            assert units(await stream.next()) == {"hat": 3}

    run(play())


def test_what_is_said_of_everything_opens_for_everything() -> None:
    async def play() -> None:
        stage = Stage(FakeSource(hat=3, shirt=4))
        opens = int(stage.clock()) + 1
        said = Settings(preorders=(Preorder(10, opens + 100, opens),))
        stage.ledger.say(book=SettingsBook(channels={"web": said}))

        def go() -> None:
            stage.clock.seconds += AGAIN_SECONDS
            stage.source.units |= {"hat": 8, "shirt": 9}

        stage.pulse.on_wait = go
        async with stage.stream() as stream:
            await stream.next()
            assert units(await stream.next()) == {"hat": 8, "shirt": 9}

    run(play())


def test_a_clock_that_is_set_back_works_everything_out() -> None:
    async def play() -> None:
        stage = Stage(FakeSource(hat=3))
        far = int(stage.clock()) + 10**6
        said = Settings(preorders=(Preorder(10, far),))
        stage.ledger.say(book=SettingsBook(skus={Sku("boots"): said}))

        def go() -> None:
            stage.clock.seconds -= 100
            stage.source.units["hat"] = 1

        async with stage.stream() as stream:
            await stream.next()
            stage.pulse.on_wait = go
            assert units(await stream.next()) == {"hat": 1}

    run(play())


def test_a_drain_ends_every_stream() -> None:
    async def play() -> None:
        stage = Stage(FakeSource(hat=3))
        async with stage.stream() as waiting, stage.stream() as new:
            await waiting.next()
            stage.watches.drain()

            assert await waiting.ends()
            assert await new.ends()

    run(play())


def test_what_is_watched_is_counted_and_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch_module, "MAX_WATCHED", 3)

    async def play() -> None:
        stage = Stage(FakeSource(hat=3, shirt=4))
        async with stage.stream() as stream:
            await stream.next()
            assert stage.watches.watched == 2
            async with stage.stream("a", "b") as other:
                with pytest.raises(Overloaded):
                    await other.next()
            assert stage.watches.watched == 2
        assert stage.watches.watched == 0

    run(play())


def test_a_channel_that_goes_ends_its_streams(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def play() -> None:
        stage = Stage(FakeSource(hat=3))
        async with stage.stream() as stream:
            await stream.next()
            monkeypatch.setattr("tests.router.rpc.selling.CHANNELS", ("shop",))
            stage.ledger.log.add_everything()
            stage.pulse.tell()
            with pytest.raises(ChannelNotFound):
                await stream.next()
        assert stage.watches.watched == 0

    run(play())


def test_the_pulse_looks_only_while_somebody_waits() -> None:
    async def play() -> None:
        ledger = FakeLedger()
        looks = 0
        read = ledger.changes

        def counted(mark: Any = None) -> Any:
            nonlocal looks
            looks += 1
            if looks == 2:
                raise ValueError("a fault is no end")
            return read(mark)

        ledger.changes = counted  # type: ignore[method-assign]
        pulse = LedgerPulse(cast(Any, ledger), 0.005)
        await asyncio.sleep(0.02)
        assert looks == 0

        first = pulse.next_change()
        await pulse.wait(first, 5)
        change = pulse.next_change()
        begun = time.monotonic()
        await pulse.wait(change, 0.03)
        assert not change.is_set()
        assert time.monotonic() - begun >= 0.029
        ledger.tell("hat")
        await pulse.wait(change, 5)
        assert change.is_set()
        # As often as it says, not oftener.
        assert looks < 100
        await pulse.stop()
        seen = looks
        await asyncio.sleep(0.02)
        assert looks == seen

    run(play())


def test_a_batch_of_the_longest_names_is_a_message() -> None:
    async def play() -> None:
        longest = {
            "\U0001f9e2" * 121 + f"{n:07d}": 10**12 for n in range(BATCH_ROWS + 1)
        }
        source = FakeSource()
        source.units = longest
        source.values["available_from_seconds"] = 2_000_000_000
        stage = Stage(source)
        async with stage.stream() as stream:
            batches = [await stream.next() for _ in range(2)]
        assert [len(each.skus) for each in batches] == [BATCH_ROWS, 1]
        assert batches[0].ByteSize() < 3 * 2**20

    run(play())


def token(*parts: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


@pytest.mark.parametrize(
    ("fields", "path", "reason"),
    [
        ({"channel_id": ""}, "channel_id", "REQUIRED"),
        ({"skus": ["s"] * 100_001}, "skus", "TOO_MANY"),
        ({"skus": ["s", ""]}, "skus[1]", "REQUIRED"),
        ({"skus": ["s "]}, "skus[0]", "INVALID_ID"),
        ({"fields": [0]}, "fields[0]", "REQUIRED"),
        ({"fields": [1, 9]}, "fields[1]", "UNKNOWN"),
        ({"fields": [1] * 101}, "fields", "TOO_MANY"),
        ({"resume_token": "nonsense!"}, "resume_token", "INVALID_TOKEN"),
        ({"resume_token": token("p", 1, 2)}, "resume_token", "INVALID_TOKEN"),
        ({"resume_token": token("p", "1", 2, "d")}, "resume_token", "INVALID_TOKEN"),
        ({"resume_token": token(1, 1, 2, "d")}, "resume_token", "INVALID_TOKEN"),
        ({"resume_token": "W1tbW1tbW1tbW1tb" * 1_000}, "resume_token", "INVALID_TOKEN"),
    ],
)
def test_what_a_request_may_not_say(
    fields: dict[str, Any], path: str, reason: str
) -> None:
    wire = pb.WatchAvailabilityRequest(**{"channel_id": "web", **fields})

    with pytest.raises(InvalidChange) as caught:
        decode_watch(wire)

    found = [(each.path, each.reason) for each in caught.value.violations]
    assert found == [(path, reason)]
