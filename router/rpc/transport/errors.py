"""What the edge refuses by itself, before or after the domain had its say.

RouterError
├── ReplyFull       the reply to a batch has no room left
├── TokenMissing    the call has no bearer token, and needs one
├── TokenUnknown    its token is none that the server knows
├── ScopeMissing    its token may not do this
└── Overloaded      the server has as much to do as it takes on
"""

from router.errors import RouterError


class ReplyFull(RouterError):
    """The reply to a batch has no room left; nothing was reserved for the order."""


class TokenMissing(RouterError):
    """The call has no bearer token, and needs one."""


class TokenUnknown(RouterError):
    """The call's token is none that the server knows."""


class ScopeMissing(RouterError):
    """The call's token is known and may not do this; ``scopes`` are what may."""

    def __init__(self, scopes: str) -> None:
        self.scopes = scopes
        super().__init__(f"token lacks scope: {scopes}")


class Overloaded(RouterError):
    """The server has as much to do as it takes on; nothing was done."""
