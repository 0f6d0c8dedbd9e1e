"""A file that is written at the end: refused before any work, whole or not at all."""

import os
import secrets
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from router.cli.console.exits import SOME_FAILED, fail


def check_no_input(option: str, path: Path, inputs: Iterable[Path | None]) -> None:
    """End the command if ``path`` is one of its inputs."""
    for each in inputs:
        both_exist = each is not None and path.exists() and each.exists()
        if each is not None and both_exist and path.samefile(each):
            raise fail(f"{option} {path} is an input too: name another file")


def check_writable(option: str, path: Path, inputs: Iterable[Path | None]) -> None:
    """End the command if ``path`` cannot be written, or is one of its inputs."""
    check_no_input(option, path, inputs)
    folder = path.resolve().parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise fail(f"{option} {path}: cannot be written")


def write_whole(option: str, path: Path, data: bytes) -> None:
    """Write a file whole, or leave it unchanged whenever this process ends.

    Ends the command if that fails. A pipe or a device is written in place.
    """
    target = path.resolve()  # a link stays a link
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(data)
            return
        try:
            with draft.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileNotFoundError):
                draft.chmod(stat.S_IMODE(target.stat().st_mode))
            draft.replace(target)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        why = error.strerror or str(error)
        raise fail(
            f"{option} {path}: cannot be written: {why}", status=SOME_FAILED
        ) from None
