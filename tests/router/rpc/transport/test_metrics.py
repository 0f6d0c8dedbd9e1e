"""What a server counts is what happened, and it costs next to nothing."""

import socket
import timeit
import urllib.error
import urllib.request
from collections.abc import Mapping

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from availability.v1 import (
    availability_service_pb2,
    channel_service_pb2,
    stock_service_pb2,
)
from router.rpc.transport.address import CannotListen
from router.rpc.transport.gate import Gate
from router.rpc.transport.metrics import Metrics
from router.v1 import routing_service_pb2
from tests.router.rpc.calls import (
    CALL_SECONDS,
    SEED,
    load,
    order,
    refused,
    request,
    route,
)
from tests.router.rpc.conftest import Loop, Running, Start

ROUTE_ORDER = "router.v1.RoutingService/RouteOrder"

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(server: Running) -> str:
    url = f"http://{server.server.metrics_address}/metrics"
    with urllib.request.urlopen(url, timeout=CALL_SECONDS) as reply:
        text: str = reply.read().decode()
    return text


def samples(text: str) -> Samples:
    return {
        (each.name, frozenset(each.labels.items())): each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def total(found: Samples, name: str, **labels: str) -> float:
    """Add up all samples that have these labels."""
    return sum(
        count
        for (each, said), count in found.items()
        if each == name and labels.items() <= dict(said).items()
    )


@pytest.fixture
def measured(start: Start) -> Running:
    server = start(metrics_address="127.0.0.1:0")
    load(server, SEED)
    return server


def test_calls_are_counted_by_method_and_code(measured: Running) -> None:
    for n in range(3):
        route(measured, order(f"o-{n}", hat=1))
    refused(measured.routing.RouteOrder, request(order("o-0", hat=1)))
    refused(measured.channel.unary_unary(f"/{ROUTE_ORDER}"), b"\xff")

    found = samples(scrape(measured))

    handled = "repartir_rpc_handled_total"
    assert value(found, "repartir_rpc_started_total", method=ROUTE_ORDER) == 5
    assert value(found, handled, method=ROUTE_ORDER, code="OK") == 3
    assert value(found, handled, method=ROUTE_ORDER, code="ALREADY_EXISTS") == 1
    assert value(found, handled, method=ROUTE_ORDER, code="INVALID_ARGUMENT") == 1
    assert value(found, handled, method=ROUTE_ORDER, code="INTERNAL") == 0
    assert value(found, "repartir_rpc_seconds_count", method=ROUTE_ORDER) == 5
    assert value(found, "repartir_rpc_in_flight") == 0
    put = "availability.v1.StockService/PutLocations"
    assert value(found, handled, method=put, code="OK") == 1


def test_every_method_is_there_from_the_start(measured: Running) -> None:
    """By its own name, whichever class of ours answers it."""
    found = samples(scrape(measured))

    names = {
        dict(labels)["method"]
        for name, labels in found
        if name == "repartir_rpc_started_total"
    }
    assert names == {
        f"{service.full_name}/{method.name}"
        for service in (
            routing_service_pb2.DESCRIPTOR.services_by_name["RoutingService"],
            stock_service_pb2.DESCRIPTOR.services_by_name["StockService"],
            channel_service_pb2.DESCRIPTOR.services_by_name["ChannelService"],
            availability_service_pb2.DESCRIPTOR.services_by_name["AvailabilityService"],
        )
        for method in service.methods
    } | {"grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"}


def test_plans_are_counted_by_engine(measured: Running) -> None:
    route(measured, order("o-1", hat=1))
    route(measured, order("o-2", hat=1), validate_only=True)
    route(measured, order("o-3", hat=10_000))

    found = samples(scrape(measured))

    plans = "repartir_plans_total"
    assert total(found, plans) == 3
    assert total(found, plans, status="full", proven="true") == 2
    assert total(found, plans, status="partial") == 1
    assert total(found, "repartir_solve_seconds_count") == 3
    assert value(found, "repartir_conflicts_total") == 0


def test_a_repeat_is_no_plan(measured: Running) -> None:
    for _ in range(2):
        route(measured, order("o", hat=1), request_id="r-1")

    found = samples(scrape(measured))

    assert total(found, "repartir_plans_total") == 1


def test_commits_and_the_stock_are_measured(measured: Running) -> None:
    before = samples(scrape(measured))
    for n in range(4):
        route(measured, order(f"o-{n}", hat=1))

    found = samples(scrape(measured))

    assert value(found, "repartir_commit_size_sum") == 4
    assert 1 <= value(found, "repartir_commit_seconds_count") <= 4
    assert value(found, "repartir_commit_seconds_sum") > 0
    assert value(found, "repartir_writer_waiting") == 0
    version = "repartir_stock_version"
    assert value(found, version) > value(before, version) > 0


def test_the_process_is_measured_too(measured: Running) -> None:
    found = samples(scrape(measured))

    assert value(found, "process_open_fds") > 0
    assert value(found, "process_resident_memory_bytes") > 10_000_000


def test_servers_count_for_themselves(start: Start) -> None:
    """Two in one process, and no registry for all."""
    one, two = (start(metrics_address="127.0.0.1:0") for _ in range(2))
    load(one, SEED)

    handled = "repartir_rpc_handled_total"
    assert total(samples(scrape(one)), handled) == 2
    assert total(samples(scrape(two)), handled) == 0


def test_what_took_as_long_as_a_bound_is_below_it() -> None:
    metrics = Metrics()
    observed = metrics.of_method("m")
    for seconds in (0.0, 0.0005, 0.0006, 1e9):
        observed.handled(0, seconds)

    read = metrics.registry.get_sample_value
    counts = [
        read("repartir_rpc_seconds_bucket", {"method": "m", "le": bound})
        for bound in ("0.0005", "0.001", "30.0", "+Inf")
    ]
    assert counts == [2, 3, 3, 4]


def test_contention_is_counted() -> None:
    metrics = Metrics()

    metrics.contended(5)

    read = metrics.registry.get_sample_value
    assert read("repartir_conflicts_total") == 5
    assert read("repartir_contention_total") == 1


def test_the_metrics_end_with_the_server(start: Start, loop: Loop) -> None:
    server = start(metrics_address="127.0.0.1:0")
    scrape(server)

    loop.run(server.server.drain())

    with pytest.raises(urllib.error.URLError):
        scrape(server)


def test_an_address_that_is_taken(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"

        with pytest.raises(CannotListen, match="address already in use"):
            start(metrics_address=address)


@pytest.mark.parametrize("address", ["9464", "unix:/x/metrics", "nowhere.invalid:1"])
def test_an_address_that_is_none(start: Start, address: str) -> None:
    with pytest.raises(CannotListen, match=f"cannot listen on {address}"):
        start(metrics_address=address)


def test_what_every_call_counts_is_cheap() -> None:
    observed = Gate().metrics.of_method("m")

    def call() -> None:
        observed.started += 1
        observed.handled(grpc.StatusCode.OK.value[0], 0.001)

    seconds = min(timeit.repeat(call, number=1_000, repeat=20)) / 1_000

    # Less than 1 µs here; the bar is for a machine that does other things too.
    assert seconds < 10e-6
