"""What the README shows of the API works as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

from tests.router.rpc.conftest import Running
from tests.router.rpc.transport.test_reflection_health import BUF

README = Path(__file__).parents[3] / "README.md"
SERVED = "127.0.0.1:7450"


def block(containing: str) -> str:
    """Return the one block of the README that shows something."""
    fenced = r"^```\w*\n(.*?)^```$"
    blocks = re.findall(fenced, README.read_text(), re.DOTALL | re.MULTILINE)
    return str(next(each for each in blocks if containing in each))


def test_the_client_example_runs(seeded: Running) -> None:
    """12 hats: ten at Sherbrooke, which ranks before Laval, and two at Montréal."""
    example = block("insecure_channel").replace(SERVED, seeded.address)
    done = subprocess.run(
        [sys.executable, "-c", example], capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("[('sherbrooke', 10), ('montreal', 2)]\n")


def test_the_call_by_hand_runs(seeded: Running) -> None:
    command = block("buf curl").replace(SERVED, seeded.address)
    done = subprocess.run(
        ["bash", "-c", command.replace("buf curl", f"{BUF} curl")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"status": "PLAN_STATUS_FULL"' in done.stdout
