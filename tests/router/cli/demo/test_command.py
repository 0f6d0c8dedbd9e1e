import signal
import subprocess
from pathlib import Path

import pytest

from router.cli.demo.example import ORDERS
from tests.router.cli.tool import ROOT, SECONDS, command, environment, run


def relatives_of(folder: Path) -> list[str]:
    """Return the command lines of the processes that name the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in text:
            found.append(text)
    return found


@pytest.mark.parametrize(
    ("columns", "encoding", "mark", "edges"),
    [(80, "utf-8", "✓", "╭╮├┤│╰╯"), (120, "ascii", "?", "|+")],
)
def test_shows_the_printed_table_in_a_pipe(
    tmp_path: Path, columns: int, encoding: str, mark: str, edges: str
) -> None:
    result = run(
        "demo",
        folder=tmp_path,
        COLUMNS=str(columns),
        TMPDIR=str(tmp_path),
        PYTHONIOENCODING=encoding,
    )

    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    text = result.stdout
    assert text.count(f"{mark} As printed.") == len(ORDERS)
    assert text.count(f"{mark} Proven: no allowed plan is better.") == len(ORDERS)
    assert "gives the printed plan for 5 of the 5" in " ".join(text.split())
    assert "\x1b" not in text
    lines = text.splitlines()
    assert max(map(len, lines)) <= columns
    assert any(line.endswith(edges[-1]) for line in lines)
    for line in lines:
        # A box that did not fit would lose its right side.
        assert not set(line) & set(edges) or line[-1] in edges
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_leaves_nothing_behind_when_it_is_stopped(tmp_path: Path, number: int) -> None:
    with subprocess.Popen(
        command("demo"),
        cwd=ROOT,
        env=environment(TMPDIR=str(tmp_path), PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        # The first thing it prints comes when its server runs.
        assert "repartir demo" in process.stdout.readline()
        assert len(relatives_of(tmp_path)) == 1
        process.send_signal(number)
        _, stderr = process.communicate(timeout=SECONDS)

    assert process.returncode == 128 + number
    assert stderr == ""
    assert relatives_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_leaves_nothing_behind_when_the_reader_stops(tmp_path: Path) -> None:
    with subprocess.Popen(
        command("demo"),
        cwd=ROOT,
        env=environment(TMPDIR=str(tmp_path), PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        stderr = process.stderr.read()
        process.wait(SECONDS)

    assert process.returncode != 0
    assert stderr == b""
    assert relatives_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
