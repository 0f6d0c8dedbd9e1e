"""What a channel may be promised, asked over a real connection."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import grpc
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from availability.offers.bulk.arrays import UNLIMITED
from availability.offers.offer import Status
from availability.v1 import availability_service_pb2 as pb
from availability.v1 import availability_service_pb2_grpc
from router.rpc.background.driver import Driver
from router.rpc.background.offer_rows import OfferReader
from router.rpc.background.watch import Watches
from router.rpc.background.watch_stream import BATCH_ROWS
from router.rpc.codec.offers import (
    MAX_ORDERABLE,
    NET,
    SINGLE_LOCATION,
    Rows,
    decode_columns,
    encode_columns,
)
from router.rpc.services.availability import (
    CHUNK_ROWS,
    MAX_SKUS,
    SERVICE,
    AvailabilityService,
    read_chunks,
)
from router.rpc.transport import gate
from router.rpc.transport.gate import Gate
from tests.router.rpc.calls import (
    CALL_SECONDS,
    StepClock,
    code,
    metadata,
    reason,
    refused,
    status,
    violations,
)
from tests.router.rpc.conftest import Loop
from tests.router.rpc.selling import FakeLedger, FakeSource

NOW = 1_800_000_000


@dataclass(frozen=True)
class Selling:
    """A server that only sells, and what it sells."""

    stub: availability_service_pb2_grpc.AvailabilityServiceStub
    source: FakeSource
    ledger: FakeLedger
    gate: Gate
    watches: Watches
    server: grpc.aio.Server
    address: str

    def change(self, **units: int) -> None:
        self.source.units |= units
        self.ledger.tell(*units)


@pytest.fixture
def selling(loop: Loop) -> Iterator[Selling]:
    source, ledger = FakeSource(hat=3, shirt=-1), FakeLedger()
    reader = OfferReader(source)
    gate = Gate()

    async def begin() -> tuple[grpc.aio.Server, int, Driver, Watches]:
        driver = Driver(cast(Any, ledger))
        watches = Watches(reader, cast(Any, ledger), StepClock())
        service = AvailabilityService(reader, driver, watches)
        server = grpc.aio.server(handlers=(service.generic_handler(gate),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        return server, port, driver, watches

    async def end() -> None:
        watches.drain()
        await server.stop(0)
        await watches.close()
        await driver.close()

    server, port, driver, watches = loop.run(begin())
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = availability_service_pb2_grpc.AvailabilityServiceStub(channel)
        address = f"127.0.0.1:{port}"
        yield Selling(stub, source, ledger, gate, watches, server, address)
    loop.run(end())


def get(selling: Selling, sku: str, channel_id: str = "web") -> pb.Availability:
    request = pb.GetAvailabilityRequest(channel_id=channel_id, sku=sku)
    return selling.stub.GetAvailability(request, timeout=CALL_SECONDS).availability


def batch(selling: Selling, skus: Sequence[str], **fields: Any) -> list[Any]:
    request = pb.BatchGetAvailabilityRequest(channel_id="web", skus=skus, **fields)
    return list(selling.stub.BatchGetAvailability(request, timeout=CALL_SECONDS))


def test_one_sku(selling: Selling) -> None:
    selling.source.values |= {
        "max_orderable_units": 2,
        "single_location_units": 1,
        "available_from_seconds": NOW,
        "backorder_notice": True,
        "status": list(Status).index(Status.BACKORDER),
    }

    hat = get(selling, "hat")

    assert hat == pb.Availability(
        channel_id="web",
        sku="hat",
        quantity_units=3,
        status=pb.AVAILABILITY_STATUS_BACKORDER,
        published=True,
        known=True,
        max_orderable_units=2,
        single_location_units=1,
        available_from_time={"seconds": NOW},  # type: ignore[arg-type]
        backorder_notice=True,
        stock_version=1,
    )


def test_what_is_unlimited_has_no_quantity(selling: Selling) -> None:
    shirt = get(selling, "shirt")

    assert shirt.unlimited
    assert not shirt.HasField("quantity_units")
    assert not shirt.HasField("max_orderable_units")
    assert not shirt.HasField("single_location_units")
    assert not shirt.HasField("available_from_time")
    assert shirt.status == pb.AVAILABILITY_STATUS_AVAILABLE


def test_a_sku_that_nobody_knows_is_no_error(selling: Selling) -> None:
    boots = get(selling, "boots")

    assert (boots.known, boots.published, boots.no_such_sku) == (False, False, True)
    assert boots.HasField("quantity_units")
    assert boots.quantity_units == 0
    assert boots.status == pb.AVAILABILITY_STATUS_UNAVAILABLE


@pytest.mark.parametrize(
    ("method", "wire"),
    [
        ("GetAvailability", pb.GetAvailabilityRequest(channel_id="fax", sku="hat")),
        (
            "ExplainAvailability",
            pb.ExplainAvailabilityRequest(channel_id="fax", sku="hat"),
        ),
    ],
)
def test_a_channel_that_is_not_there(selling: Selling, method: str, wire: Any) -> None:
    error = refused(getattr(selling.stub, method), wire)

    assert code(error) is grpc.StatusCode.NOT_FOUND
    assert reason(status(error)) == "CHANNEL_NOT_FOUND"
    assert metadata(status(error)) == {"channel_id": "fax"}


@pytest.mark.parametrize(
    ("method", "wire"),
    [
        (
            "BatchGetAvailability",
            pb.BatchGetAvailabilityRequest(channel_id="fax", skus=["hat"]),
        ),
        ("WatchAvailability", pb.WatchAvailabilityRequest(channel_id="fax")),
    ],
)
def test_a_stream_of_a_channel_that_is_not_there(
    selling: Selling, method: str, wire: Any
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        list(getattr(selling.stub, method)(wire, timeout=CALL_SECONDS))

    assert code(caught.value) is grpc.StatusCode.NOT_FOUND
    assert reason(status(caught.value)) == "CHANNEL_NOT_FOUND"
    assert selling.gate.in_flight == selling.gate.watching == 0


def broken(call: Any, wire: Any) -> dict[str, str]:
    # One that answers with a message raises at once, the others when they are read.
    with pytest.raises(grpc.RpcError) as caught:
        list(call(wire, timeout=CALL_SECONDS))
    assert code(caught.value) is grpc.StatusCode.INVALID_ARGUMENT
    return violations(status(caught.value))


def test_every_breach_is_listed(selling: Selling) -> None:
    stub = selling.stub
    assert broken(stub.GetAvailability, pb.GetAvailabilityRequest(sku=" ")) == {
        "channel_id": "REQUIRED",
        "sku": "INVALID_ID",
    }
    explain = pb.ExplainAvailabilityRequest(request_units=0, bought_units=-1)
    assert broken(stub.ExplainAvailability, explain) == {
        "channel_id": "REQUIRED",
        "sku": "REQUIRED",
        "request_units": "OUT_OF_RANGE",
        "bought_units": "OUT_OF_RANGE",
    }
    none = pb.BatchGetAvailabilityRequest(fields=[7])  # type: ignore[list-item]
    assert broken(stub.BatchGetAvailability, none) == {
        "channel_id": "REQUIRED",
        "skus": "REQUIRED",
        "fields[0]": "UNKNOWN",
    }
    many = pb.BatchGetAvailabilityRequest(channel_id="w", skus=["s"] * (MAX_SKUS + 1))
    assert broken(stub.BatchGetAvailability, many) == {"skus": "TOO_MANY"}


def test_a_batch_answers_in_the_order_that_was_asked(selling: Selling) -> None:
    (chunk,) = batch(selling, ["shirt", "boots", "hat", "shirt"])

    rows = decode_columns(chunk.columns)
    assert rows.quantity_units.tolist() == [-1, 0, 3, -1]
    assert rows.statuses.tolist() == [
        pb.AVAILABILITY_STATUS_AVAILABLE,
        pb.AVAILABILITY_STATUS_UNAVAILABLE,
        pb.AVAILABILITY_STATUS_AVAILABLE,
        pb.AVAILABILITY_STATUS_AVAILABLE,
    ]
    nobody = (
        pb.AVAILABILITY_FLAG_HIDDEN
        | pb.AVAILABILITY_FLAG_UNKNOWN
        | pb.AVAILABILITY_FLAG_NO_SUCH_SKU
    )
    assert rows.flags.tolist() == [0, nobody, 0, 0]
    assert chunk.stock_version == 1


def test_a_large_batch_comes_in_chunks(selling: Selling) -> None:
    names = [f"s{n}" for n in range(2 * CHUNK_ROWS + 1)]
    selling.source.units = {name: n for n, name in enumerate(names)}

    chunks = batch(selling, names)

    assert [each.columns.row_count for each in chunks] == [CHUNK_ROWS, CHUNK_ROWS, 1]
    found = [n for each in chunks for n in decode_columns(each.columns).quantity_units]
    assert found == list(range(len(names)))


def test_what_nobody_asked_for_is_not_sent(selling: Selling) -> None:
    selling.source.values |= {"max_orderable_units": 1, "single_location_units": 2}
    every = [MAX_ORDERABLE, SINGLE_LOCATION]

    (bare,) = batch(selling, ["hat"])
    (whole,) = batch(selling, ["hat"], fields=every)

    assert not bare.columns.max_orderable_units
    assert not bare.columns.single_location_units
    assert list(whole.columns.max_orderable_units) == [1]
    assert list(whole.columns.single_location_units) == [2]


def test_the_net_is_told_to_those_who_ask_for_it(selling: Selling) -> None:
    """And whether there is one: the flag comes with it, and not without."""
    (bare,) = batch(selling, ["hat", "shirt"])
    selling.source.values |= {"net_units": [[-2, 0]], "counted": [[True, False]]}

    (same,) = batch(selling, ["hat", "shirt"])
    (whole,) = batch(selling, ["hat", "shirt"], fields=[NET])

    assert same.SerializeToString() == bare.SerializeToString()
    assert list(whole.columns.net_units) == [-2, 0]
    assert list(whole.columns.flags) == [0, pb.AVAILABILITY_FLAG_NOT_COUNTED]
    # 0 that was counted is another row than one that was not.
    selling.source.values |= {"net_units": 0, "counted": True}
    (zero,) = batch(selling, ["shirt"], fields=[NET])
    assert list(zero.columns.net_units) == [0]
    assert not zero.columns.flags
    assert decode_columns(zero.columns).net_units.tolist() == [0]


def test_a_net_that_is_the_quantity_takes_no_room(selling: Selling) -> None:
    (chunk,) = batch(selling, ["hat", "shirt"], fields=[NET])

    assert not chunk.columns.net_units
    assert decode_columns(chunk.columns).net_units.tolist() == [3, -1]


UNITS = st.integers(-1, 10**12)


@given(
    st.lists(
        st.tuples(
            UNITS,
            st.integers(1, 5),
            st.integers(0, 63),
            UNITS,
            UNITS,
            st.just(0) | st.integers(1, 2**31),
            st.integers(-(10**12), 10**12),
        ),
        max_size=5,
    ),
    st.sets(st.sampled_from([MAX_ORDERABLE, SINGLE_LOCATION, NET])),
)
@settings(deadline=None)
def test_rows_survive_the_wire(values: Any, fields: Any) -> None:
    columns = np.array(values, np.int64).reshape(-1, 7).T
    rows = Rows(columns[0], *(columns[n].astype(np.int8) for n in (1, 2)), *columns[3:])
    if MAX_ORDERABLE not in fields:
        rows = rows._replace(max_orderable_units=rows.quantity_units)
    if SINGLE_LOCATION not in fields:
        rows = rows._replace(single_location_units=rows.quantity_units)
    if NET not in fields:
        rows = rows._replace(
            net_units=rows.quantity_units, flags=rows.flags & np.int8(31)
        )

    sent = encode_columns(rows, fields).SerializeToString()
    read = decode_columns(pb.AvailabilityColumns.FromString(sent))

    for name in Rows._fields:
        was, found = getattr(rows, name), getattr(read, name)
        assert was.tolist() == found.tolist()
        assert was.dtype == found.dtype


def test_what_is_ordinary_takes_no_room() -> None:
    ones = np.ones(100, np.int64)
    rows = Rows(
        ones, ones.astype(np.int8), 0 * ones.astype(np.int8), ones, ones, 0 * ones, ones
    )
    every = (MAX_ORDERABLE, SINGLE_LOCATION, NET)

    wire = encode_columns(rows, every)

    assert [field.name for field, _ in wire.ListFields()] == [
        "row_count",
        "quantity_units",
    ]


def realistic(count: int) -> Rows:
    """A shop's mix: most in stock, some few, some none, some waited for."""
    drawn = np.random.default_rng(7)
    kinds = drawn.choice(5, count, p=[0.70, 0.10, 0.12, 0.05, 0.03])
    units = np.select(
        [kinds == 0, kinds == 1, kinds == 2, kinds == 3],
        [
            drawn.geometric(1 / 400, count),
            drawn.integers(1, 6, count),
            np.zeros(count, np.int64),
            drawn.integers(1, 500, count),
        ],
        UNLIMITED,
    )
    dated = (kinds == 3) | ((kinds == 2) & (drawn.random(count) < 0.5))
    flags = np.where(kinds == 3, pb.AVAILABILITY_FLAG_BACKORDER_NOTICE, 0)
    single = np.where(units > 0, drawn.integers(0, units.clip(1) + 1), units)
    return Rows(
        units,
        np.array([1, 2, 5, 3, 1], np.int8)[kinds],
        flags.astype(np.int8),
        np.minimum(np.where(units < 0, 20, units), 20),
        single,
        np.where(dated, NOW + 86_400 * drawn.integers(1, 120, count), 0),
        units.clip(0),
    )


@pytest.mark.parametrize(
    ("fields", "most"),
    [
        ((), 51_000),
        ((MAX_ORDERABLE,), 61_000),
        ((MAX_ORDERABLE, SINGLE_LOCATION), 76_000),
    ],
)
def test_ten_thousand_rows_are_small(fields: Any, most: int) -> None:
    """The bar is 100 KB; a column, or the date's base, that is lost is seen."""
    sent = encode_columns(realistic(10_000), fields).ByteSize()

    assert 0.9 * most < sent <= most


def test_an_explanation(selling: Selling) -> None:
    wire = pb.ExplainAvailabilityRequest(
        channel_id="web", sku="hat", request_units=4, bought_units=1
    )

    reply = selling.stub.ExplainAvailability(wire, timeout=CALL_SECONDS)

    assert reply == pb.ExplainAvailabilityResponse(
        availability=pb.Availability(
            channel_id="web",
            sku="hat",
            quantity_units=3,
            status=pb.AVAILABILITY_STATUS_AVAILABLE,
            published=True,
            known=True,
            max_orderable_units=3,
            single_location_units=3,
            stock_version=1,
        ),
        steps=[
            pb.AvailabilityStep(
                rule=pb.AVAILABILITY_RULE_STOCK, effect_units=3, total_units=3
            )
        ],
        records=[
            pb.PoolRecord(
                location_id="laval", available_units=3, on_hand_units=3, stale=True
            )
        ],
        low_stock_location_ids=["laval"],
        net_units=3,
        backordered_units=1,
        refusal=pb.AvailabilityRefusal(
            rule=pb.AVAILABILITY_RULE_MAX, level=pb.SETTINGS_LEVEL_DEFAULT
        ),
    )


def test_without_an_order_nothing_is_judged(selling: Selling) -> None:
    wire = pb.ExplainAvailabilityRequest(channel_id="web", sku="boots")

    reply = selling.stub.ExplainAvailability(wire, timeout=CALL_SECONDS)

    assert not reply.HasField("refusal")
    assert reply.backordered_units == 0
    assert reply.availability.no_such_sku


def test_a_fixed_quantity_is_flagged(selling: Selling) -> None:
    selling.source.values["fixed"] = [[True, False]]

    (chunk,) = batch(selling, ["hat", "shirt"])

    assert list(chunk.columns.flags) == [pb.AVAILABILITY_FLAG_FIXED, 0]


def test_a_declared_number_is_flagged_with_the_net_alone(selling: Selling) -> None:
    selling.source.values |= {"known": False, "declared": [[True, False]]}

    (bare,) = batch(selling, ["hat", "shirt"])
    (whole,) = batch(selling, ["hat", "shirt"], fields=[NET])

    unknown = pb.AVAILABILITY_FLAG_UNKNOWN
    assert list(bare.columns.flags) == [unknown, unknown]
    declared = unknown | pb.AVAILABILITY_FLAG_DECLARED
    assert list(whole.columns.flags) == [declared, unknown]


def test_a_stream_over_a_connection(selling: Selling) -> None:
    call = selling.stub.WatchAvailability(pb.WatchAvailabilityRequest(channel_id="web"))

    first = next(call)
    assert selling.gate.watching == 1
    assert selling.gate.in_flight == 0
    selling.change(hat=1)
    second = next(call)

    assert list(first.skus) == ["hat", "shirt"]
    assert decode_columns(second.columns).quantity_units.tolist() == [1]
    call.cancel()
    wait_until(lambda: selling.gate.watching == 0 and selling.watches.watched == 0)
    # A call that comes now is answered as if nothing had been.
    assert get(selling, "hat").quantity_units == 1


def wait_until(true: Any) -> None:
    end = time.monotonic() + CALL_SECONDS
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_who_does_not_read_makes_nothing_wait(selling: Selling) -> None:
    """The transport takes what it has room for; then the stream is asked no more."""
    names = [f"{n:0128d}" for n in range(100_000)]
    selling.source.units = dict.fromkeys(names, 5)
    wire = pb.WatchAvailabilityRequest(channel_id="web")
    call = selling.stub.WatchAvailability(wire)
    next(call)
    # 13 MB are far more than a connection's windows have room for.
    time.sleep(1.0)
    asked = sum(map(len, selling.source.asked))
    time.sleep(0.5)
    assert sum(map(len, selling.source.asked)) == asked < len(names)
    for units in range(20):
        selling.source.units[names[0]] = units
        selling.ledger.tell(names[0])
    assert get(selling, names[0]).quantity_units == 19

    told = {names[0]: 5}
    batches = 1
    while names[-1] not in told or told[names[0]] != 19:
        each = next(call)
        batches += 1
        units_of = decode_columns(each.columns).quantity_units.tolist()
        told |= dict(zip(each.skus, units_of, strict=True))
    # Those of the first values and one of what changed meanwhile.
    assert batches <= len(names) // BATCH_ROWS + 1
    call.cancel()


def test_streams_have_a_limit(
    selling: Selling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "MAX_WATCHES", 2)
    wire = pb.WatchAvailabilityRequest(channel_id="web")
    open_calls = [selling.stub.WatchAvailability(wire) for _ in range(2)]
    for each in open_calls:
        next(each)

    with pytest.raises(grpc.RpcError) as caught:
        next(selling.stub.WatchAvailability(wire, timeout=CALL_SECONDS))

    assert code(caught.value) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert reason(status(caught.value)) == "OVERLOADED"
    # Who leaves makes room.
    open_calls[0].cancel()
    wait_until(lambda: selling.gate.watching == 1)
    again = selling.stub.WatchAvailability(wire, timeout=CALL_SECONDS)
    assert next(again).resume_token
    for each in (*open_calls, again):
        each.cancel()


def test_a_drain_ends_streams_without_an_error(selling: Selling, loop: Loop) -> None:
    call = selling.stub.WatchAvailability(pb.WatchAvailabilityRequest(channel_id="web"))
    next(call)

    async def drain() -> None:
        selling.watches.drain()
        await selling.server.stop(20)

    loop.run(drain())

    # A stream that lasted through the grace would be cancelled.
    assert list(call) == []
    assert call.code() is grpc.StatusCode.OK


def test_a_deadline_ends_a_stream(selling: Selling) -> None:
    wire = pb.WatchAvailabilityRequest(channel_id="web")

    with pytest.raises(grpc.RpcError) as caught:
        list(selling.stub.WatchAvailability(wire, timeout=0.3))

    assert code(caught.value) is grpc.StatusCode.DEADLINE_EXCEEDED
    wait_until(lambda: selling.gate.watching == 0)


def test_bytes_that_are_no_message_end_a_stream(selling: Selling) -> None:
    with grpc.insecure_channel(selling.address) as channel:
        call: Any = channel.unary_stream(f"/{SERVICE}/WatchAvailability")
        with pytest.raises(grpc.RpcError) as caught:
            list(call(b"\xff", timeout=CALL_SECONDS))

    assert code(caught.value) is grpc.StatusCode.INVALID_ARGUMENT
    assert reason(status(caught.value)) == "MALFORMED_MESSAGE"


def test_a_batch_by_hand_is_the_servers(selling: Selling) -> None:
    """What the command line reads from a database is what a server sends."""
    reader = OfferReader(selling.source)
    chunks = read_chunks(reader, "web", ["hat", "shirt"], ())

    read = [pb.BatchGetAvailabilityResponse.FromString(each) for each in chunks]
    assert read == batch(selling, ["hat", "shirt"])
