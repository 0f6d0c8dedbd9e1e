"""The server's log: lines that a machine reads, and no secrets in them."""

import io
import json
import logging
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from router.cli.remote.client import connect
from router.cli.serving.logs import LogFormat, LogLevel, formatter, start_logging
from router.v1 import order_pb2, routing_service_pb2
from tests.router.cli.serving.test_serve import address, serving
from tests.router.cli.tool import SECONDS


def record(**fields: Any) -> logging.LogRecord:
    """Make a record as a module of ours would."""
    return logging.getLogger("router.rpc.server").makeRecord(
        *("router.rpc.server", logging.INFO, "server.py", 1, "serving %s", ("it",)),
        None,
        extra=fields,
    )


def test_json_has_the_fields() -> None:
    line = formatter(LogFormat.JSON).format(record(address="127.0.0.1:1", tokens=True))

    written = json.loads(line)
    assert written.pop("timestamp").endswith("Z")
    assert written == {
        "event": "serving it",
        "level": "info",
        "logger": "router.rpc.server",
        "address": "127.0.0.1:1",
        "tokens": True,
    }


def broken() -> logging.LogRecord:
    """Make a record of an error raised while a secret is in a local variable."""
    found = record()
    token = "".join(["se", "cret"])
    try:
        raise KeyError(len(token))
    except KeyError as error:
        found.exc_info = (type(error), error, error.__traceback__)
    return found


def test_json_has_the_error_in_one_line() -> None:
    line = formatter(LogFormat.JSON).format(broken())

    assert "\n" not in line
    assert "KeyError: 6" in json.loads(line)["exception"]


@pytest.mark.parametrize("form", [LogFormat.JSON, LogFormat.TEXT])
def test_a_logged_error_has_no_local_variables(form: LogFormat) -> None:
    line = formatter(form).format(broken())

    assert "KeyError: 6" in line
    assert "secret" not in line


def test_text_is_for_people() -> None:
    line = formatter(LogFormat.TEXT).format(record(address="127.0.0.1:1"))

    assert "serving it" in line
    assert "address=127.0.0.1:1" in line
    assert "\x1b" not in line


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def kept_root() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("kept_root")
@pytest.mark.parametrize(
    ("stream", "form", "is_json"),
    [
        (io.StringIO, LogFormat.AUTO, True),
        (Terminal, LogFormat.AUTO, False),
        (Terminal, LogFormat.JSON, True),
        (io.StringIO, LogFormat.TEXT, False),
    ],
)
def test_the_form_suits_the_reader(
    stream: type[io.StringIO], form: LogFormat, is_json: bool
) -> None:
    written = stream()
    # What pytest listens with is put back afterwards, and must not be closed.
    logging.getLogger().handlers.clear()

    start_logging(LogLevel.WARNING, form, written)
    logging.getLogger("router.x").info("unheard")
    logging.getLogger("router.x").warning("heard", extra={"n": 1})

    [line] = written.getvalue().splitlines()
    assert "heard" in line
    assert line.startswith("{") is is_json


def test_a_server_tells_its_life_and_no_orders(tmp_path: Path) -> None:
    with serving(tmp_path, "--log-level", "debug") as process:
        with connect(address(process)) as client:
            wanted = routing_service_pb2.RouteOrderRequest(
                order=order_pb2.Order(
                    order_id="secret-order",
                    lines=[order_pb2.OrderLine(line_id="1", sku="secret-sku")],
                )
            )
            with pytest.raises(grpc.RpcError):
                client.routing.RouteOrder(
                    wanted,
                    timeout=SECONDS,
                    metadata=(("authorization", "Bearer secret-token"),),
                )
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=SECONDS)

    lines = [json.loads(line) for line in stderr.splitlines()]
    ours = [each for each in lines if each["logger"].startswith("router.")]
    assert [each["event"] for each in ours] == [
        "serving",
        "refused",
        "draining",
        "stopped",
    ]
    serving_line, refusal = ours[0], ours[1]
    assert serving_line["tls"] == "none"
    assert refusal["level"] == "debug"
    assert refusal["method"] == "router.v1.RoutingService/RouteOrder"
    assert refusal["code"] == "INVALID_ARGUMENT"
    assert "secret" not in stderr
