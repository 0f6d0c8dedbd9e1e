"""A network file into a server and a database, and what their channels may sell."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner, Result

from router.cli import app
from router.cli.demo.child_server import running_server
from router.cli.remote.client import connect
from router.cli.remote.open import open_target
from router.v1 import order_pb2, routing_service_pb2

NETWORK = """\
[[locations]]
location_id = "dc"
rank = 1
country_code = "CA"
zones = [{ zone_id = "rack" }, { zone_id = "damaged", available = false }]
[[locations]]
location_id = "laval"
rank = 2
kind = "store"
stale_after_seconds = 86400
[[locations]]
location_id = "sherbrooke"
rank = 3
kind = "store"
[[channels]]
channel_id = "web"
[[channels]]
channel_id = "marketplace"
rules = [
    { rank = 1, kinds = ["store"], share_permille = 500, min_units = 3 },
    { rank = 2, kinds = ["warehouse"] },
]
[[channels]]
channel_id = "b2b"
rules = [{ include_ids = ["dc"] }]
[settings.global]
low_units = 3
[settings.channels.marketplace]
buffer_units = 1
availability_threshold_units = 5
publication_threshold_units = 2
[settings.skus.shirt]
backorders = "allow_and_notify"
out_of_stock_threshold_units = -50
[settings.skus."gift card"]
managed = false
[settings.skus.album]
preorders = [{ cap_units = 500, release_seconds = 2200-03-05T00:00:00-05:00 }]
[settings.channel_skus.web.hat]
max_units = 4
customer_limit = { max_units = 6, window_seconds = 604800 }
[[allocations]]
allocation_id = "wholesale-hats"
sku = "hat"
quantity_units = 30
channel_ids = ["b2b"]
following = ["b2b"]
[[kits]]
sku = "outfit"
components = [
    { sku = "shirt", quantity_units = 1 },
    { sku = "hat", quantity_units = 1 },
]
"""
MORE = """
[settings.channels.b2b]
notify_units = 30
[[supplies]]
supply_id = "po-1071"
location_id = "dc"
sku = "cap"
quantity_units = 100
available_from_seconds = 2199-12-01T08:00:00-05:00
"""
STOCK = """\
location,sku,on_hand,zone
dc,cap,0,rack
dc,hat,45,rack
dc,hat,7,damaged
laval,hat,2,
sherbrooke,hat,9,
dc,scarf,3,rack
dc,shirt,40,rack
laval,shirt,12,
sherbrooke,shirt,3,
"""
COUNTED = ("cap", "hat", "outfit", "scarf", "shirt")
SKUS = (*COUNTED, "gift card", "album", "nothing")
CHANNELS = ("web", "marketplace", "b2b")
FILES = ("--network", "network.toml", "--stock", "stock.csv")


class Place(NamedTuple):
    """Where a command goes: its option, and how an error calls it."""

    options: tuple[str, str]
    name: str

    def run(self, *arguments: str, width: int = 120) -> Result:
        return cli(arguments[0], *self.options, *arguments[1:], width=width)


def cli(*arguments: str, width: int = 120) -> Result:
    return CliRunner().invoke(app, arguments, env={"COLUMNS": str(width)})


def write(folder: Path) -> None:
    (folder / "network.toml").write_text(NETWORK + MORE)
    (folder / "stock.csv").write_text(STOCK)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def opened(kind: str, folder: Path) -> Iterator[Place]:
    """Give a server, or a database, with nothing in it."""
    if kind == "server":
        with running_server() as address:
            yield Place(("--server", address), "the server")
    else:
        url = f"sqlite:///{folder}/stock.db"
        with open_target("", url):
            pass
        yield Place(("--database", url), "the database")


def fill(place: Place, folder: Path) -> Place:
    """Put the network and its stock there."""
    stock = ("--mode", "set", "--stock", f"{folder}/stock.csv")
    for arguments in ((f"{folder}/network.toml",), stock):
        done = place.run("import", *arguments)
        assert done.exit_code == 0, done.stderr
    return place


@pytest.fixture(params=["server", "database"])
def place(request: pytest.FixtureRequest, folder: Path) -> Iterator[Place]:
    """A place for imports that is empty."""
    with opened(request.param, folder) as found:
        yield found


@pytest.fixture
def filled(place: Place, folder: Path) -> Place:
    """The same with the network and its stock."""
    return fill(place, folder)


@pytest.fixture(scope="module", params=["server", "database"])
def asked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """One with the network and its stock, for tests that only ask."""
    folder = tmp_path_factory.mktemp("asked")
    write(folder)
    with opened(request.param, folder) as found:
        yield fill(found, folder)


def offers(result: Result) -> list[dict[str, Any]]:
    assert result.stderr == ""
    return [json.loads(line) for line in result.stdout.splitlines()]


def lines(result: Result) -> list[str]:
    assert result.stderr == ""
    return result.stdout.splitlines()


# --- The network file ---------------------------------------------------------------


def test_a_network_is_imported_once(place: Place) -> None:
    first = place.run("import", "network.toml")
    again = place.run("import", "network.toml")

    assert lines(first)[0].startswith("+ location dc: rank 1, country_code")
    assert lines(first)[-2:] == [
        "16 to add, 0 to change, 0 to remove, 0 unchanged",
        "network: 16 created, 0 replaced, 0 removed",
    ]
    assert lines(again) == [
        "0 to add, 0 to change, 0 to remove, 16 unchanged",
        "network: nothing changed",
    ]
    assert (first.exit_code, again.exit_code) == (0, 0)


def test_a_repeat_with_its_id_does_nothing_more(place: Place) -> None:
    first = place.run("import", "network.toml", "--request-id", "monday")
    again = place.run("import", "network.toml", "--request-id", "monday")

    assert (first.exit_code, again.exit_code) == (0, 0)
    assert lines(again)[-1] == "network: nothing changed"


def test_what_sales_have_consumed_is_no_difference(filled: Place) -> None:
    if filled.name == "the server":
        route(filled.options[1], "b2b", hat=4)

    again = filled.run("import", "network.toml")

    assert lines(again)[-1] == "network: nothing changed"


def test_a_wrong_file_changes_nothing(filled: Place, folder: Path) -> None:
    wrong = NETWORK.replace("rank = 3", "rank = 4").replace("low_units", "low_unit")
    (folder / "wrong.toml").write_text(wrong)

    refused = filled.run("import", "wrong.toml")

    assert refused.exit_code == 2
    assert refused.stdout == ""
    assert refused.stderr == (
        "repartir: wrong.toml: settings.global.low_unit: is not a known field\n"
    )
    unchanged = filled.run("import", "network.toml")
    assert lines(unchanged)[-1] == "network: nothing changed"


def test_a_wrong_file_makes_no_database(folder: Path) -> None:
    (folder / "wrong.toml").write_text("[")

    refused = cli("import", "--database", "sqlite:///new.db", "wrong.toml")

    assert refused.exit_code == 2
    assert not (folder / "new.db").exists()


def test_a_dry_run_changes_nothing(place: Place) -> None:
    tried = place.run("import", "network.toml", "--dry-run")
    real = place.run("import", "network.toml")

    assert tried.exit_code == 0
    assert lines(tried)[:-1] == lines(real)[:-1]
    assert lines(tried)[-1] == "network: nothing changed"
    assert lines(real)[-1] == "network: 16 created, 0 replaced, 0 removed"


def test_what_the_file_does_not_name_goes_or_is_kept(
    filled: Place, folder: Path
) -> None:
    less = NETWORK.replace("= 500", "= 400")
    (folder / "less.toml").write_text(less)

    kept = filled.run("import", "less.toml", "--keep")
    gone = filled.run("import", "less.toml")

    assert lines(kept) == [
        "~ channel marketplace: rules[0].share_permille 500 -> 400",
        "~ settings skus.album: preorders[0].cap_units 500 -> 400",
        "0 to add, 2 to change, 0 to remove, 12 unchanged",
        "network: 0 created, 2 replaced, 0 removed",
    ]
    assert lines(gone) == [
        "- settings channels.b2b",
        "- supply po-1071",
        "0 to add, 0 to change, 2 to remove, 14 unchanged",
        "network: 0 created, 0 replaced, 2 removed",
    ]


def test_what_is_kept_may_refuse_what_is_new(filled: Place, folder: Path) -> None:
    """A file that is right by itself, and not with what is there."""
    (folder / "other.toml").write_text("[settings.skus.outfit]\nmanaged = false\n")

    refused = filled.run("import", "other.toml", "--keep")

    assert refused.exit_code == 1
    [line] = refused.stderr.splitlines()
    assert "outfit" in line
    unchanged = filled.run("import", "network.toml")
    assert lines(unchanged)[-1] == "network: nothing changed"


@pytest.mark.parametrize(
    "options",
    [
        ("--stock", "stock.csv"),
        ("--locations", "stock.csv"),
        ("--mode", "set"),
        ("--max-drop", ""),
        ("--force",),
        ("--format", "csv"),
    ],
)
def test_a_network_file_comes_alone(options: tuple[str, ...]) -> None:
    refused = cli("import", "network.toml", *options)

    assert refused.exit_code == 2
    assert refused.stderr == (
        "repartir: a network file is imported alone: leave out --stock, "
        "--locations, --mode, --max-drop, --force and --format\n"
    )


def test_keep_is_for_a_network_file() -> None:
    refused = cli("import", "--locations", "stock.csv", "--keep")

    assert refused.exit_code == 2
    assert refused.stderr == "repartir: --keep is for a network file only\n"


def test_stock_in_the_place_of_a_network_file() -> None:
    refused = cli("import", "stock.csv")

    assert refused.exit_code == 2
    first, second = refused.stderr.splitlines()
    assert first.startswith("repartir: stock.csv:1:9: Expected")
    assert second == (
        "repartir: import stock and locations with --stock and --locations"
    )


# --- What may be sold ---------------------------------------------------------------


def without(name: str, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: each[key] for key in each if key != name} for each in found]


def test_the_numbers_are_those_of_the_same_files(asked: Place) -> None:
    """Steps, requests and all: only the version of the stock is the ledger's."""
    wanted = (*SKUS, "--request", "3", "--bought", "2", "--explain")
    for channel in CHANNELS:
        json_lines = ("--channel", channel, *wanted, "--format", "json")

        served = asked.run("availability", *json_lines)
        computed = cli("availability", *FILES, *json_lines)

        assert served.exit_code == computed.exit_code == 1
        assert without("as_of", offers(served)) == without("as_of", offers(computed))
        assert {each["as_of"] for each in offers(served)} == {2}


def test_many_in_one_call_are_the_same_numbers(asked: Place) -> None:
    """All fields of the reply; the others are left out."""
    for channel in CHANNELS:
        json_lines = ("--channel", channel, "--format", "json")

        named = asked.run("availability", *json_lines, *SKUS)
        computed = cli("availability", *FILES, *json_lines, *SKUS)
        every = asked.run("availability", *json_lines)

        whole = without("net_units", without("low_stock_ids", offers(computed)))
        assert without("as_of", offers(named)) == without("as_of", whole)
        assert offers(every) == [
            each
            for each in sorted(offers(named), key=itemgetter("sku"))
            if each["sku"] != "nothing"
        ]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize(
    "options", [("--explain",), ("--all-steps", "--request", "2"), ("--bought", "1")]
)
def test_what_is_shown_is_the_same(
    asked: Place, options: tuple[str, ...], width: int
) -> None:
    shown = ("--channel", "b2b", *SKUS, *options)

    served = asked.run("availability", *shown, width=width)
    computed = cli("availability", *FILES, *shown, width=width)

    assert lines(served) == [*lines(computed), "stock version 2"]
    assert (
        "low at dc" in " ".join(served.stdout.replace("│", " ").split()) or width < 100
    )
    assert served.exit_code == computed.exit_code
    assert max(map(len, lines(served))) <= width


def test_a_long_list_is_several_tables(
    asked: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.cli.offers.availability.TABLE_ROWS", 2)
    monkeypatch.setattr("router.cli.offers.from_server.CHUNK_SKUS", 3)

    shown = lines(asked.run("availability", "--channel", "web"))

    assert [line.split()[1] for line in shown if line[0] == "│"] == [
        *("SKU", "album", "cap"),
        *("SKU", "gift", "hat"),
        *("SKU", "outfit", "scarf"),
        *("SKU", "shirt"),
    ]
    assert shown.count("stock version 2") == 1


def test_a_refused_request_sets_the_exit_status(asked: Place) -> None:
    web = ("availability", "--channel", "web", "hat")

    assert asked.run(*web, "--request", "4").exit_code == 0
    refused = asked.run(*web, "--request", "5", "--format", "json")
    [found] = offers(refused)
    assert refused.exit_code == 1
    assert (found["request"]["refused_by"], found["request"]["level"]) == (
        "max",
        "channel_sku",
    )


@pytest.mark.parametrize("options", [(), ("hat",), ("hat", "--explain")])
def test_an_unknown_channel(asked: Place, options: tuple[str, ...]) -> None:
    result = asked.run("availability", "--channel", "shop", *options)

    assert (result.exit_code, result.stdout) == (1, "")
    parts = result.stderr.partition(" has ")
    assert parts[0] == f"repartir: no channel 'shop': {asked.name}"
    assert sorted(parts[2].strip().split(", ")) == sorted(CHANNELS)


def test_no_channels_at_all(place: Place) -> None:
    result = place.run("availability", "--channel", "web")

    assert result.exit_code == 1
    assert result.stderr == f"repartir: no channel 'web': {place.name} has no channel\n"


def test_no_skus_at_all(place: Place, folder: Path) -> None:
    (folder / "network.toml").write_text("[[channels]]\nchannel_id = 'web'\n")
    place.run("import", "network.toml")

    result = place.run("availability", "--channel", "web")

    assert lines(result) == [f"no SKUs: {place.name} has none and no kits"]
    assert result.exit_code == 0


def route(address: str, channel_id: str, **units: int) -> None:
    """Route an order of a channel and hold its stock."""
    placed = [
        order_pb2.OrderLine(line_id=sku, sku=sku, quantity=count)
        for sku, count in units.items()
    ]
    order = order_pb2.Order(order_id="o1", channel_id=channel_id, lines=placed)
    with connect(address) as client:
        request = routing_service_pb2.RouteOrderRequest(request_id="r1", order=order)
        plan = client.call(client.routing.RouteOrder, request).plan
    assert sum(each.quantity for each in plan.assignments) == sum(units.values())


@pytest.mark.parametrize("place", ["server"], indirect=True)
def test_an_order_takes_from_what_may_be_sold(filled: Place) -> None:
    asked = ("availability", "--channel", "web", "hat", "shirt", "--format", "json")
    before = [each["quantity_units"] for each in offers(filled.run(*asked))]

    route(filled.options[1], "web", hat=3, shirt=5)

    after = offers(filled.run(*asked))
    assert [each["quantity_units"] for each in after] == [before[0] - 3, before[1] - 5]
    assert [each["as_of"] for each in after] == [3, 3]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        *(
            (
                (*where, *files),
                "--network, --stock, --holds and --now are for files: leave out "
                "--server and --database",
            )
            for where in (("--server", "a:1"), ("--database", "b.db"))
            for files in (
                ("--network", "network.toml"),
                ("--stock", "stock.csv"),
                ("--holds", "stock.csv"),
                ("--now", "2026-01-31T09:00:00Z"),
            )
        ),
        *(
            (files, "offers from files need both --network and --stock")
            for files in (
                ("--network", "network.toml"),
                ("--stock", "stock.csv"),
                ("--holds", "stock.csv"),
                ("--now", "2026-01-31T09:00:00Z"),
            )
        ),
        (
            ("--server", "a:1", "--database", "b.db"),
            "give --server or --database, not both",
        ),
        (
            ("--server", "a:1", "--key", "k.pem"),
            "--certificate and --key go together",
        ),
    ],
)
def test_bad_usage_reaches_no_server(options: tuple[str, ...], expected: str) -> None:
    result = cli("availability", "--channel", "web", *options)

    assert (result.exit_code, result.stderr) == (2, f"repartir: {expected}\n")


def test_a_database_that_is_not_there_is_not_made(folder: Path) -> None:
    result = cli("availability", "--channel", "web", "--database", "sqlite:///new.db")

    assert result.exit_code == 1
    assert result.stderr == ("repartir: --database sqlite:///new.db: no such file\n")
    assert not (folder / "new.db").exists()


def test_no_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.cli.remote.client.CONNECT_SECONDS", 0.2)

    result = cli("availability", "--channel", "web", "--server", "127.0.0.1:9")

    assert result.exit_code == 1
    assert result.stderr.startswith("repartir: no server answers at 127.0.0.1:9")
