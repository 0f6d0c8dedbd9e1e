"""What the README shows works as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


def test_the_python_example_runs() -> None:
    """Hats must be split: Laval has 10 of them and the shirt, Montréal the rest."""
    done = subprocess.run(
        [sys.executable, "-c", blocks()[0]], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[:3] == [
        "1 x shirt from laval",
        "10 x hat from laval",
        "2 x hat from montreal",
    ]
    assert done.stdout.splitlines()[-1] == "proven by exact"


def test_it_stays_short() -> None:
    assert len(README.read_text().splitlines()) <= 150


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README.read_text()):
        assert (README.parent / target).exists(), target
