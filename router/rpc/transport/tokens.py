"""Who may call what: bearer tokens with scopes, from a TOML file of hashes.

    [tokens.checkout]
    sha256 = "64 hexadecimal digits"
    scopes = ["route", "stock"]

A leaked file gives no token away: it holds only the SHA-256 of each secret.
"""

import enum
import hashlib
import re
import secrets
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from router.rpc.transport.errors import ScopeMissing, TokenMissing, TokenUnknown

MAX_TOKENS = 1_000
"""Most tokens in one file."""
MAX_FILE_BYTES = 2**20
"""Largest file."""
SECRET_BYTES = 32
"""Randomness in a secret: 256 bits cannot be guessed, so a plain hash is enough."""
SECRET_PREFIX = "repartir_"  # noqa: S105 (secret scanners look for it)

_HEADER = "authorization"
_SCHEME = "bearer "
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Scope(enum.IntFlag):
    """What a token may do."""

    ROUTE = 1
    """Plan orders, look at plans, and read the stock."""
    STOCK = 2
    """Read and write locations and stock."""
    ADMIN = 4
    """Everything."""


SCOPES: Mapping[str, Scope] = {
    str(each.name).lower(): each for each in (Scope.ROUTE, Scope.STOCK, Scope.ADMIN)
}
"""The scopes by the names they go by in files and on the command line."""


class BadTokens(Exception):
    """A file of tokens cannot be used; ``lines`` says every fault with its place."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


@dataclass(frozen=True, slots=True)
class Token:
    """One caller's token."""

    name: str
    sha256: bytes
    scopes: Scope


class Tokens:
    """The tokens that a server knows."""

    def __init__(self, tokens: Iterable[Token]) -> None:
        # Looked up, and not compared one by one in constant time. What the time of
        # a lookup might betray, to who tries often enough, is a part of a digest;
        # and from all of it, as from this file, no one finds 256 random bits.
        self._scopes = {each.sha256: int(each.scopes) for each in tokens}

    def check(self, metadata: Iterable[tuple[str, str | bytes]], needed: int) -> None:
        """Let a call pass whose token has one of the scopes ``needed``.

        Raises
        ------
        TokenMissing, TokenUnknown
            The token is missing or unknown.
        ScopeMissing
            The token lacks the scope.
        """
        value = next((value for key, value in metadata if key == _HEADER), None)
        if value is None:
            raise TokenMissing("missing metadata: authorization: Bearer <token>")
        if not isinstance(value, str) or value[: len(_SCHEME)].lower() != _SCHEME:
            raise TokenMissing("metadata authorization must be: Bearer <token>")
        secret = value[len(_SCHEME) :].strip()
        scopes = self._scopes.get(hashlib.sha256(secret.encode()).digest())
        if scopes is None:
            raise TokenUnknown("unknown bearer token")
        if not scopes & needed:
            raise ScopeMissing(scope_names(needed & ~Scope.ADMIN) or "admin")


def scope_names(scopes: int) -> str:
    """Return the names of some scopes, with commas between."""
    return ",".join(name for name, each in SCOPES.items() if scopes & each)


def new_secret() -> str:
    """Return a new secret."""
    return SECRET_PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def stanza(name: str, secret: str, scopes: Sequence[str]) -> str:
    """Return what a file of tokens says of a secret.

    Raises
    ------
    ValueError
        The name is none.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"must be 1 to 64 of A-Z a-z 0-9 _ -, got {name!r}")
    listed = ", ".join(f'"{each}"' for each in scopes)
    digest = hashlib.sha256(secret.encode()).hexdigest()
    return f'[tokens.{name}]\nsha256 = "{digest}"\nscopes = [{listed}]\n'


def read_tokens(path: Path) -> Tokens:
    """Read a file of tokens.

    Raises
    ------
    BadTokens
        It cannot be read or has faults: all of them, each with its place.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise BadTokens([f"{path}: {why}"]) from None
    if len(text) > MAX_FILE_BYTES:
        raise BadTokens([f"{path}: has more than {MAX_FILE_BYTES:,} bytes"])
    try:
        found = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadTokens([f"{path}: is not TOML: {error}"]) from None
    except RecursionError:
        raise BadTokens([f"{path}: is not TOML: nested too deeply"]) from None
    faults = list(_faults(found))
    if faults:
        raise BadTokens([f"{path}: {each}" for each in faults])
    return Tokens(_token(name, each) for name, each in found["tokens"].items())


def _token(name: str, entry: Mapping[str, str]) -> Token:
    scopes = Scope(0)
    for each in entry["scopes"]:
        scopes |= SCOPES[each]
    return Token(name, bytes.fromhex(entry["sha256"]), scopes)


def _faults(found: Mapping[str, object]) -> Iterator[str]:
    yield from (f"{key}: no such table" for key in found if key != "tokens")
    tokens = found.get("tokens")
    if not isinstance(tokens, dict) or not tokens:
        yield "tokens: must be a table with a table for each token"
        return
    if len(tokens) > MAX_TOKENS:
        yield f"tokens: must be 1 to {MAX_TOKENS:,}, got {len(tokens):,}"
        return
    first: dict[str, str] = {}
    for name, entry in tokens.items():
        place = f"tokens.{name}"
        if not _NAME.fullmatch(name):
            yield f"{place}: the name must be 1 to 64 of A-Z a-z 0-9 _ -"
        if not isinstance(entry, dict):
            yield f"{place}: must be a table with sha256 and scopes"
            continue
        yield from _entry_faults(place, entry)
        digest = str(entry.get("sha256"))
        if _SHA256.fullmatch(digest) and first.setdefault(digest, name) != name:
            yield f"{place}.sha256: is that of tokens.{first[digest]}"


def _entry_faults(place: str, entry: Mapping[str, object]) -> Iterator[str]:
    for key in entry.keys() - {"sha256", "scopes"}:
        yield f"{place}.{key}: no such key"
    digest = entry.get("sha256")
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        # It may be the secret itself, so it is not repeated.
        yield f"{place}.sha256: must be 64 hexadecimal digits, in lower case"
    scopes = entry.get("scopes")
    if not isinstance(scopes, list) or not scopes:
        yield f"{place}.scopes: must be a list of {', '.join(SCOPES)}"
        return
    for index, each in enumerate(scopes):
        if not isinstance(each, str) or each not in SCOPES:
            yield f"{place}.scopes[{index}]: must be one of {', '.join(SCOPES)}"
