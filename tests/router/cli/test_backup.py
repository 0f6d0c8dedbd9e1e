"""The backup that docs/operations.md shows, made next to a running server."""

import re
import subprocess
import sys
from pathlib import Path

from availability.v1 import stock_service_pb2
from router.cli.remote.client import connect
from tests.router.cli.serving.test_serve import address, serving
from tests.router.cli.tool import ROOT, SECONDS, run


def test_a_backup_of_a_running_server_is_whole(tmp_path: Path) -> None:
    (program,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs/operations.md").read_text(), re.DOTALL
    )
    (tmp_path / "locations.csv").write_text("location,rank\nMontréal,1\n")
    (tmp_path / "stock.csv").write_text("location,sku,on_hand\nMontréal,hat,3\n")
    with serving(tmp_path) as process:
        files = ("--locations", "locations.csv", "--stock", "stock.csv")
        target = ("--server", address(process), "--mode", "set")
        imported = run("import", *target, *files, folder=tmp_path)
        assert imported.returncode == 0, imported.stderr
        subprocess.run(
            [sys.executable, "-c", program, "repartir.db", "backup.db"],
            cwd=tmp_path,
            timeout=SECONDS,
            check=True,
        )

    with (
        serving(tmp_path, "--database", "sqlite:///backup.db") as process,
        connect(address(process)) as client,
    ):
        reply = client.call(
            client.stock.ListStock, stock_service_pb2.ListStockRequest()
        )
    assert [(each.sku, each.on_hand_units) for each in reply.records] == [("hat", 3)]
