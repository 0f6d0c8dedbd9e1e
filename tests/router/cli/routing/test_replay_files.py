"""What a replay reads besides orders and stock: policies, a network, locations."""

import json
from pathlib import Path

import pytest

from router.policies import DEFAULT
from tests.router.cli.routing.replaying import Replay, reported
from tests.router.cli.tool import SEED_STOCK, order

NETWORK = """\
[[locations]]
location_id = "Montréal"
rank = 1
[[locations]]
location_id = "Sherbrooke"
rank = 2
[[locations]]
location_id = "Laval"
rank = 3
[[channels]]
channel_id = "web"
"""


class TestPolicyFiles:
    def test_a_policy_of_ones_own(self, replay: Replay, tmp_path: Path) -> None:
        """Nobody but Laval may ship, so hats end at ten."""
        ours = {"preset": DEFAULT, "filter": {"included_location_ids": ["Laval"]}}
        (tmp_path / "ours.json").write_text(json.dumps(ours))
        orders = [order("o1", hat=8), order("o2", hat=8)]
        names = [DEFAULT, "ours.json"]

        report = reported(replay("--format", "json", orders=orders, policies=names))
        assert [each.name for each in report.outcomes] == names
        assert [each.complete_orders for each in report.outcomes] == [2, 1]
        assert report.last.lost_orders == 1
        assert [each.location_id for each in report.last.loads] == ["Laval"]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("{", "Expecting property name"),
            ('{"colour": 1}', "unknown field 'colour' in RoutingPolicy"),
            ('{"preset": "best"}', "policy.preset: must be one of"),
            ('{"max_shipments": 5000}', "policy.max_shipments: must be"),
            ("\xff", "not UTF-8"),
        ],
    )
    def test_a_bad_one_is_refused(
        self, replay: Replay, tmp_path: Path, text: str, expected: str
    ) -> None:
        (tmp_path / "ours.json").write_bytes(text.encode("latin-1"))
        result = replay(policies=["ours.json"])

        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(f"repartir: ours.json: {expected}")


class TestNetwork:
    def test_what_a_channel_may_sell_counts(
        self, replay: Replay, tmp_path: Path
    ) -> None:
        text = NETWORK + "[settings.channel_skus.web.hat]\nmax_units = 4\n"
        (tmp_path / "n.toml").write_text(text)
        orders = [
            {**order("o1", hat=5), "channel_id": "web"},
            {**order("o2", hat=4), "channel_id": "web"},
        ]
        options = ("--network", "n.toml", "--format", "json")

        report = reported(replay(*options, orders=orders))
        assert [each.refused_orders for each in report.outcomes] == [1, 1]
        assert [each.complete_orders for each in report.outcomes] == [1, 1]

    @pytest.mark.parametrize(
        "dated",
        [
            '[[supplies]]\nsupply_id = "po"\nlocation_id = "Laval"\nsku = "hat"\n'
            "quantity_units = 9\navailable_from_seconds = 2026-12-01T08:00:00Z\n",
            "[settings.skus.hat]\n"
            "preorders = [{ cap_units = 5, release_seconds = 2027-03-05T00:00:00Z }]\n",
        ],
    )
    def test_what_has_a_date_needs_an_instant(
        self, replay: Replay, tmp_path: Path, dated: str
    ) -> None:
        (tmp_path / "n.toml").write_text(NETWORK + dated)
        without = replay("--network", "n.toml")
        given = replay("--network", "n.toml", "--now", "2026-12-01T09:00:00Z")

        assert (without.exit_code, without.stdout) == (2, "")
        assert without.stderr.startswith("repartir: n.toml has pre-orders, expected")
        assert given.exit_code == 0, given.stderr

    def test_a_preorder_opens_and_closes(self, replay: Replay, tmp_path: Path) -> None:
        """Before its release five more hats than there are may be promised."""
        dated = "[settings.skus.hat]\npreorders = [{ cap_units = 30, release_seconds "
        dated += "= 2027-03-05T00:00:00Z }]\n"
        (tmp_path / "n.toml").write_text(NETWORK + dated)
        orders = [{**order("o1", hat=28), "channel_id": "web"}]

        def reasons(now: str) -> set[str]:
            options = ("--network", "n.toml", "--now", now, "--format", "json")
            report = reported(replay(*options, orders=orders, policies=[DEFAULT]))
            return {each.reason for each in report.base.unassigned}

        assert reasons("2027-01-01T00:00:00Z") == {"preordered"}
        assert reasons("2027-04-01T00:00:00Z") == {"not_for_sale"}

    def test_faults_of_both_files_are_listed(
        self, replay: Replay, tmp_path: Path
    ) -> None:
        (tmp_path / "n.toml").write_text(NETWORK + "colour = 1\n")
        result = replay("--network", "n.toml", stock=SEED_STOCK + "Laval,tie,-1\n")

        assert (result.exit_code, result.stdout) == (2, "")
        first, second = result.stderr.splitlines()
        assert first.startswith("repartir: n.toml: ")
        assert second.startswith("repartir: stock.csv:11: on_hand must be")


def test_the_locations_file_ranks(replay: Replay, tmp_path: Path) -> None:
    (tmp_path / "locations.csv").write_text(
        "location,rank\nMontréal,3\nSherbrooke,2\nLaval,1\n"
    )
    options = ("--locations", "locations.csv", "--format", "json")

    report = reported(replay(*options, orders=[order("o1", hat=1)]))
    assert [each.location_id for each in report.base.loads] == ["Laval"]
