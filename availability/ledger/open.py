"""Open a ledger by its address."""

import re
import time
from pathlib import Path

from availability.ledger.protocol import Ledger
from availability.ledger.sqlite_ledger import SqliteLedger
from availability.model import Clock

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_MEMORY = ("", ":memory:")


def open_ledger(url: str, clock: Clock = time.time) -> Ledger:
    """Open, or create, the ledger at ``url``.

    ========================  ====================================================
    ``sqlite:///stock.db``    a file, relative to the working folder
    ``sqlite:////var/s.db``   a file, absolute
    ``stock.db``              a file: a bare path
    ``sqlite://``             in memory: gone when it is closed
    ``:memory:``              the same
    ========================  ====================================================

    The folder must exist; the file is created for its owner alone. ``clock`` gives
    seconds since the epoch: it decides the UTC day of capacities.

    Raises
    ------
    ValueError
        Another scheme, or no address at all.
    StoreTooOld
        The engine has a known fault, or the file is another application's or of
        another version.
    StoreUnavailable
        The file can not be opened, or another process has it open.
    """
    if not url:
        raise ValueError("a ledger's address must not be empty")
    match = _SCHEME.fullmatch(url)
    if match is None:
        return SqliteLedger(None if url in _MEMORY else Path(url), clock)
    scheme, rest = match.groups()
    if scheme != "sqlite" or (rest and not rest.startswith("/")):
        raise ValueError(
            f"no ledger for {url!r}: a ledger's address is sqlite:///PATH, a bare "
            "path, or sqlite:// for memory"
        )
    path = rest.removeprefix("/")
    return SqliteLedger(None if path in _MEMORY else Path(path), clock)
