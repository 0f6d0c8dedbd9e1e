"""`repartir availability` on files: the seeds' stories, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from router.cli import app

NOW = "2026-01-31T12:00:00Z"
DC = "[[locations]]\nlocation_id = 'dc'\n[[channels]]\nchannel_id = 'web'\n"
B2B = "[[channels]]\nchannel_id = 'b2b'\n"
SHIRTS_25 = "location,sku,on_hand\ndc,shirt,25\n"
ADOBE = """
[settings.global]
backorders = "allow"
out_of_stock_threshold_units = -50
"""
Ask = Callable[..., Result]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Ask about the files of the given contents; they are in one folder."""
    monkeypatch.chdir(tmp_path)

    def ask(
        network: str,
        stock: str,
        *options: str,
        holds: str | None = None,
        channel: str = "web",
        width: int = 80,
    ) -> Result:
        (tmp_path / "network.toml").write_text(network)
        (tmp_path / "stock.csv").write_text(stock)
        arguments = ["--network", "network.toml", "--stock", "stock.csv"]
        if holds is not None:
            (tmp_path / "holds.csv").write_text(f"channel,sku,quantity\n{holds}")
            arguments += ["--holds", "holds.csv"]
        arguments += ["--channel", channel, "--now", NOW]
        return CliRunner().invoke(
            app, ["availability", *arguments, *options], env={"COLUMNS": str(width)}
        )

    return ask


def offers(result: Result) -> list[dict[str, Any]]:
    assert result.stderr == ""
    return [json.loads(line) for line in result.stdout.splitlines()]


def offer(ask: Ask, *arguments: str, **files: Any) -> dict[str, Any]:
    [found] = offers(ask(*arguments, "--format", "json", **files))
    return found


def cells(result: Result) -> list[list[str]]:
    """Return the cells of all tables, and titles."""
    return [
        [cell.strip() for cell in line.removeprefix("│").removesuffix("│").split("│")]
        for line in result.stdout.splitlines()
        if line[0] not in "╭├╰"
    ]


# --- The seeds' stories -----------------------------------------------------------


@pytest.mark.parametrize(
    ("holds", "quantity_units"),
    [
        (None, 75),
        ("web,shirt,70\n", 5),
        ("web,shirt,75\n", 0),
        ("web,shirt,75\nweb,shirt,-5\n", 5),
        ("web,shirt,75\nweb,shirt,-75\n", 75),
    ],
)
def test_adobe_sells_through(ask: Ask, holds: str | None, quantity_units: int) -> None:
    found = offer(ask, DC + ADOBE, SHIRTS_25, holds=holds)

    assert found["quantity_units"] == quantity_units
    assert (found["status"] == "unavailable") is (quantity_units == 0)


@pytest.mark.parametrize(
    ("stock", "follow", "channel", "quantity_units"),
    [
        (100, True, "web", 70),
        (100, True, "b2b", 30),
        (20, True, "b2b", 30),
        (20, False, "b2b", 20),
        (20, False, "web", 0),
    ],
)
def test_bigblue_reserve_of_30(
    ask: Ask, stock: int, follow: bool, channel: str, quantity_units: int
) -> None:
    reserve = f"""
        [[allocations]]
        allocation_id = "r"
        sku = "shirt"
        quantity_units = 30
        channel_ids = ["b2b"]
        following = [{'"b2b"' if follow else ""}]
    """
    rows = f"location,sku,on_hand\ndc,shirt,{stock}\n"

    found = offer(ask, DC + B2B + reserve, rows, channel=channel)

    assert found["quantity_units"] == quantity_units


@pytest.mark.parametrize(
    ("stock", "status", "quantity_units", "published"),
    [
        (5, "available", 5, True),
        (4, "unavailable", 0, True),
        (2, "unavailable", 0, True),
        (1, "unavailable", 0, False),
    ],
)
def test_altazion_thresholds(
    ask: Ask, stock: int, status: str, quantity_units: int, published: bool
) -> None:
    settings = """
        [settings.channels.web]
        availability_threshold_units = 5
        publication_threshold_units = 2
    """
    rows = f"location,sku,on_hand\ndc,shirt,{stock}\n"

    found = offer(ask, DC + settings, rows)

    assert found["status"] == status
    assert (found["quantity_units"], found["published"]) == (quantity_units, published)


ZONES = """
[[locations]]
location_id = "shop"
zones = [{ zone_id = "shelf" }, { zone_id = "window", available = false }]
[[channels]]
channel_id = "web"
"""


@pytest.mark.parametrize(
    ("rows", "quantity_units"),
    [
        ("shop,shirt,4,shelf,,", 4),
        ("shop,shirt,4,window,,", 0),
        ("shop,shirt,4,shelf,,\nshop,shirt,3,window,,\nshop,shirt,2,,,", 6),
        # Other balances are the record's, wherever they stand.
        ("shop,shirt,4,shelf,1,\nshop,shirt,3,window,2,\nshop,shirt,2,,,", 3),
        ("shop,shirt,4,shelf,,0\nshop,shirt,2,,,1", 2),
    ],
)
def test_altazion_zones(ask: Ask, rows: str, quantity_units: int) -> None:
    header = "location,sku,on_hand,zone,allocated,status\n"

    assert offer(ask, ZONES, header + rows)["quantity_units"] == quantity_units


SHOPS = "".join(
    f"[[locations]]\nlocation_id = '{name}'\n"
    for name in ("montreal", "sherbrooke", "laval")
)


@pytest.mark.parametrize(
    ("ticked", "shirts", "hats"),
    [
        ("'montreal', 'sherbrooke', 'laval'", (25, 15), (23, 10)),
        ("'montreal', 'sherbrooke'", (10, 10), (13, 10)),
        ("'sherbrooke'", (0, 0), (10, 10)),
    ],
)
def test_lightspeed_tick_boxes(
    ask: Ask, ticked: str, shirts: tuple[int, int], hats: tuple[int, int]
) -> None:
    network = (
        SHOPS + "[[channels]]\nchannel_id = 'web'\n"
        f"rules = [{{ include_ids = [{ticked}] }}]\n"
    )
    rows = (
        "sku,on_hand,location\nshirt,10,montreal\nshirt,0,sherbrooke\nshirt,15,laval\n"
        "hat,3,montreal\nhat,10,sherbrooke\nhat,10,laval\n"
    )

    found = offers(ask(network, rows, "--format", "json"))

    assert [(x["quantity_units"], x["single_location_units"]) for x in found] == [
        shirts,
        hats,
    ]


@pytest.mark.parametrize(
    ("stock", "orders", "backorders", "request_units", "cells_said", "exit_code"),
    [
        (8, 5, "none", 3, ["3", "yes", "0", "", ""], 0),
        (8, 5, "none", 4, ["4", "no", "1", "queued", ""], 1),
        (5, 8, "none", 3, ["3", "no", "3", "queued", ""], 1),
        (5, 8, "allow", 3, ["3", "yes", "3", "", ""], 0),
    ],
)
def test_fusion_backordered(
    ask: Ask,
    stock: int,
    orders: int,
    backorders: str,
    request_units: int,
    cells_said: list[str],
    exit_code: int,
) -> None:
    settings = f"[settings.skus.shirt]\nbackorders = '{backorders}'\n"
    rows = f"location,sku,on_hand\ndc,shirt,{stock}\n"
    holds = f"web,shirt,{orders}\n"

    result = ask(DC + settings, rows, "--request", str(request_units), holds=holds)

    assert cells(result)[-1] == ["shirt", *cells_said]
    assert result.exit_code == exit_code
    if backorders == "none":
        found = offer(ask, DC + settings, rows, holds=holds)
        assert found["quantity_units"] == max(0, stock - orders)
        assert found["net_units"] == stock - orders


KITS = """
[[kits]]
sku = "set"
[[kits.components]]
sku = "cup"
quantity_units = 2
[[kits.components]]
sku = "spoon"
quantity_units = 1
[[kits]]
sku = "gift"
components = [{ sku = "cup", quantity_units = 1 }, { sku = "box", quantity_units = 1 }]
[settings.skus.gift]
buffer_units = 1
"""


def test_kits_share_components_and_leave_from_one_location(ask: Ask) -> None:
    """5 cups at a and 1 at b, spoons at both: 2 sets at a, none at b."""
    network = DC.replace("dc", "a") + "[[locations]]\nlocation_id = 'b'\n" + KITS
    rows = "location,sku,on_hand\na,cup,5\nb,cup,1\na,spoon,2\nb,spoon,4\na,box,3\n"

    found = offers(ask(network, rows, "set", "gift", "--format", "json"))

    shown = [(x["sku"], x["quantity_units"], x["single_location_units"]) for x in found]
    assert shown == [("set", 2, 2), ("gift", 2, 2)]
    held = offers(
        ask(network, rows, "set", "gift", "--format", "json", holds="web,cup,4\n")
    )
    # Of 2 cups that are left, one set takes both, or two gifts, of which one is kept.
    assert [x["quantity_units"] for x in held] == [1, 1]


def test_all_of_the_stock_file_and_all_kits(ask: Ask) -> None:
    rows = "location,sku,on_hand\ndc,spoon,1\ndc,cup,5\ndc,shirt,1\n"

    found = offers(ask(DC + KITS, rows, "--format", "json"))

    assert [x["sku"] for x in found] == ["spoon", "cup", "shirt", "set", "gift"]


# --- What is stale ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("as_of", "published"),
    [
        ("2026-01-31T11:00:00Z", True),
        ("2026-01-31T10:59:59Z", False),
        ("2026-01-31T12:00:00+01:00", True),
        ("2026-01-31T11:59:59+01:00", False),
        ("", True),
    ],
)
def test_a_record_is_stale_when_it_is_older_than_an_hour(
    ask: Ask, as_of: str, published: bool
) -> None:
    network = DC.replace("'dc'", "'dc'\nstale_after_seconds = 3600")
    rows = f"location,sku,on_hand,as_of\ndc,shirt,5,{as_of}\n"

    found = offer(ask, network, rows)

    assert (found["known"], found["published"]) == (published, published)
    assert found["quantity_units"] == (5 if published else 0)


def test_without_a_limit_any_count_is_trusted(ask: Ask) -> None:
    rows = "location,sku,on_hand,as_of\ndc,shirt,5,2001-01-01T00:00:00Z\n"

    assert offer(ask, DC, rows)["known"]


@pytest.mark.parametrize(
    "rows",
    [
        "shop,shirt,5,shelf,2026-01-31T10:00:00Z\nshop,shirt,5,,\n",
        "shop,shirt,5,,\nshop,shirt,5,shelf,2026-01-31T10:00:00Z\n",
    ],
)
def test_a_record_is_as_old_as_its_oldest_row(ask: Ask, rows: str) -> None:
    network = ZONES.replace("zones =", "stale_after_seconds = 3600\nzones =")
    header = "location,sku,on_hand,zone,as_of\n"

    assert not offer(ask, network, header + rows)["known"]
    assert offer(ask, ZONES, header + rows)["known"]


# --- What is shown ----------------------------------------------------------------

MANY = """
[settings.skus."[red]hat"]
max_units = 4
[settings.skus.poster]
fixed_units = 7
[settings.skus.voucher]
managed = false
[settings.skus.album]
preorders = [{ cap_units = 1000, release_seconds = 2026-03-01T00:00:00Z }]
[settings.channels.web]
notify_units = 3
[[supplies]]
supply_id = "po"
location_id = "dc"
sku = "scarf"
quantity_units = 9
available_from_seconds = 2026-02-01T08:30:00Z
"""
MANY_ROWS = "location,sku,on_hand\ndc,[red]hat,9\ndc,poster,2\ndc,scarf,0\n"
MANY_SKUS = ("[red]hat", "poster", "voucher", "album", "scarf", "shoes")


def test_the_table_at_120_columns(ask: Ask) -> None:
    result = ask(DC + MANY, MANY_ROWS, *MANY_SKUS, width=120)

    assert cells(result) == [
        ["SKU", "units", "status", "shown", "max order", "one place", "from (UTC)",
         "notes"],
        ["[red]hat", "9", "available", "yes", "4", "9", "", ""],
        ["poster", "7", "available", "yes", "7", "2", "", "fixed, low at dc"],
        ["voucher", "∞", "available", "yes", "∞", "∞", "", ""],
        ["album", "1,000", "preorder", "yes", "1,000", "0", "2026-03-01 00:00", ""],
        ["scarf", "0", "unavailable", "yes", "0", "0", "2026-02-01 08:30", "low at dc"],
        ["shoes", "0", "unavailable", "no", "0", "0", "", "unknown"],
    ]  # fmt: skip
    assert result.exit_code == 0


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("options", [(), ("--explain",), ("--all-steps",)])
def test_no_line_is_wider_than_the_terminal(
    ask: Ask, width: int, options: tuple[str, ...]
) -> None:
    result = ask(
        DC + MANY, MANY_ROWS, *MANY_SKUS, *options, "--request", "2", width=width
    )

    assert max(map(len, result.stdout.splitlines())) <= width
    # No status is broken, however narrow.
    assert "unavailable" in result.stdout


def test_explains_what_changed_the_number(ask: Ask) -> None:
    """Drawn from -45 to 25: 18 columns for 70 units."""
    result = ask(DC + ADOBE, SHIRTS_25, "--explain", holds="web,shirt,70\n")

    full = "█"
    shown = [
        line[1:-1].split("│") for line in result.stdout.splitlines() if "│" in line
    ]
    rows = [[cell.strip() for cell in row[:3] + row[4:]] for row in shown[-5:]]
    bars = [row[3][1:-1].rstrip() for row in shown[-4:]]
    assert rows == [
        ["step", "effect", "units", "level"],
        ["stock", "+25", "25", ""],
        ["queued", "-70", "-45", ""],
        ["out of stock threshold", "+50", "5", "global"],
        ["quantity", "", "5", ""],
    ]
    assert bars == [" " * 11 + full * 7, full * 18, full * 12, " " * 11 + full]
    assert "shirt on web" in result.stdout


def test_shows_all_steps_on_request(ask: Ask) -> None:
    rows = [row[0] for row in cells(ask(DC, SHIRTS_25, "--all-steps"))]

    assert rows[rows.index("step") + 1 :] == [
        "stock", "rule bounds", "rule share", "rule threshold", "rule locations",
        "queued", "reserves", "allocation", "out of stock threshold", "deficit",
        "unknown", "preorder", "fixed", "share", "buffer", "availability threshold",
        "quantity",
    ]  # fmt: skip


def test_a_step_names_the_most_specific_level(ask: Ask) -> None:
    settings = """
        [settings.global]
        buffer_units = 1
        [settings.skus.shirt]
        buffer_units = 2
        [settings.channel_skus.web.shirt]
        buffer_units = 3
    """

    found = offer(ask, DC + settings, SHIRTS_25, "--explain")

    [buffer] = [x for x in found["steps"] if x["rule"] == "buffer"]
    assert buffer == {
        "rule": "buffer",
        "effect_units": -3,
        "total_units": 22,
        "level": "channel_sku",
        "replaces": False,
    }
    assert sum(x["effect_units"] for x in found["steps"]) == found["quantity_units"]


def test_json_has_every_field_in_the_same_order(ask: Ask) -> None:
    settings = "[settings.skus.shirt]\nmanaged = false\n"

    result = ask(DC + settings, SHIRTS_25, "--format", "json", "--request", "3")

    assert result.stdout == (
        '{"channel_id": "web", "sku": "shirt", "quantity_units": null, '
        '"status": "available", "published": true, "known": true, "fixed": false, '
        '"net_units": null, "max_orderable_units": null, '
        '"single_location_units": null, "available_from_seconds": null, '
        '"backorder_notice": false, "low_stock_ids": [], "as_of": 0, '
        '"request": {"units": 3, "bought_units": 0, "passes": true, '
        '"backordered_units": 0, "refused_by": null, "level": null}}\n'
    )


@pytest.mark.parametrize(
    ("units", "bought", "refused_by", "level"),
    [
        (4, 2, None, None),
        (4, 3, "customer_max", "sku"),
        (5, 0, "max", "channel_sku"),
        (26, 0, "max", "channel_sku"),
    ],
)
def test_a_request_is_refused_by_a_rule_at_a_level(
    ask: Ask, units: int, bought: int, refused_by: str | None, level: str | None
) -> None:
    settings = """
        [settings.skus.shirt]
        customer_limit = { max_units = 6, window_seconds = 60 }
        [settings.channel_skus.web.shirt]
        max_units = 4
    """
    options = ("--request", str(units), "--bought", str(bought))

    result = ask(DC + settings, SHIRTS_25, *options, "--format", "json")

    [found] = offers(result)
    request = found["request"]
    assert (request["refused_by"], request["level"]) == (refused_by, level)
    assert found["max_orderable_units"] == min(4, 6 - bought)
    assert result.exit_code == (refused_by is not None)


def test_one_refusal_among_many_sets_the_exit_status(ask: Ask) -> None:
    rows = SHIRTS_25 + "dc,hat,1\n"

    assert ask(DC, rows, "--request", "1").exit_code == 0
    assert ask(DC, rows, "--request", "2").exit_code == 1


def test_no_skus_at_all(ask: Ask) -> None:
    result = ask(DC, "location,sku,on_hand\n")

    assert result.stdout == "no SKUs: the stock file has none and no kits\n"
    assert result.exit_code == 0


# --- What is refused --------------------------------------------------------------


def test_lists_the_faults_of_all_files_with_their_lines(ask: Ask) -> None:
    rows = (
        "location,sku,on_hand,zone,withdrawn,status,as_of\n"
        "dc,shirt,1,,,,\n"
        "dc,shirt,2,,,,\n"
        "moon,shirt,1,,,,\n"
        "dc,hat,-1,back,x,2,2026-01-31T09:00:00\n"
        "dc,set,1,,,,\n"
    )
    holds = "web,shirt,1\nshop,shirt,1\nweb,shirt,-2\nweb,hat,1.5\nweb,set,1\n"

    result = ask(DC + KITS, rows, holds=holds)

    assert result.stderr.splitlines() == [
        f"repartir: {line}"
        for line in (
            "stock.csv:3: shirt at dc is on line 2 already",
            "stock.csv:4: location 'moon' is not in the network file",
            "stock.csv:5: on_hand must be a whole number, 0 to 1000000000000, got '-1'",
            "stock.csv:5: location 'dc' has no zone 'back'",
            "stock.csv:5: withdrawn must be a whole number, 0 to 1000000000000, "
            "got 'x'",
            "stock.csv:5: status must be 0, 1 or empty, got '2'",
            "stock.csv:5: as_of must be a date, a time and its offset, like "
            "2026-01-31T09:00:00Z, got '2026-01-31T09:00:00'",
            "stock.csv:6: 'set' is a kit: its components have the stock",
            "holds.csv:3: channel 'shop' is not in the network file",
            "holds.csv:5: quantity must be a whole number, -1000000000000 to "
            "1000000000000, got '1.5'",
            "holds.csv:6: 'set' is a kit: its components have the stock",
            "holds.csv:4: the holds of shirt on web add up to -1, below 0",
        )
    ]
    assert (result.exit_code, result.stdout) == (2, "")


def test_a_bad_network_does_not_make_good_rows_bad(ask: Ask) -> None:
    network = DC.replace("channel_id", "colour = 1\nchannel_id")

    result = ask(network, SHIRTS_25 + "dc,hat,x\n", holds="web,shirt,1\n")

    assert result.stderr.splitlines() == [
        "repartir: network.toml: channels[0].colour: is not a known field",
        "repartir: stock.csv:3: on_hand must be a whole number, "
        "0 to 1000000000000, got 'x'",
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--now", "yesterday"), "--now must be like 2026-01-31T09:00:00Z"),
        (("--now", "2026-02-30T00:00:00Z"), "--now must be like"),
        (("--request", "0"), "--request"),
        (("--bought", "-1"), "--bought"),
        ((" x",), "SKU begins or ends with a space: ' x'"),
    ],
)
def test_bad_usage(ask: Ask, options: tuple[str, ...], expected: str) -> None:
    result = ask(DC, SHIRTS_25, *options)

    assert expected in result.stderr
    assert (result.exit_code, result.stdout) == (2, "")


def test_an_unknown_channel(ask: Ask) -> None:
    result = ask(DC + B2B, SHIRTS_25, channel="shop")

    assert result.stderr == ("repartir: no channel 'shop': network.toml has web, b2b\n")
    assert result.exit_code == 2
