"""Which files a process has open."""

from contextlib import suppress
from pathlib import Path


def open_below(folder: Path, process: int | str = "self") -> list[str]:
    """Return the names of files in a folder that a process has open."""
    names = []
    for link in list(Path(f"/proc/{process}/fd").iterdir()):
        # What listed the folder is closed by now.
        with suppress(FileNotFoundError):
            path = link.readlink()
            if path.parent == folder:
                names.append(path.name)
    return names
