"""What a figure was measured with: commit, machine, versions."""

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

_LIBRARIES = ("ortools", "numpy")


def commit() -> str:
    """Return the commit, with ``+`` where code differs from it."""
    changed = _git("status", "--porcelain", "--", ":/*.py")
    return (_git("rev-parse", "--short", "HEAD") or "unknown") + "+" * bool(changed)


def _git(*arguments: str) -> str:
    output = subprocess.run(
        ["git", *arguments],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return output.stdout.strip()


def machine() -> str:
    """Return processor, cores, memory and versions in a line."""
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**30
    return (
        f"Python {platform.python_version()}, {libraries}; {os.cpu_count()} cores of"
        f" {_processor()}, {memory} GiB"
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.machine()
