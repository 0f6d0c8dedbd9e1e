"""Where a server listens: ``host:port`` or ``unix:path``.

gRPC says only that it failed, and writes its reasons to stderr. So an address is
tried with a plain socket first, whose error fits one line.
"""

import errno
import ipaddress
import socket
from pathlib import Path

_UNIX = "unix:"
_CONNECT_SECONDS = 1.0


class CannotListen(Exception):
    """An address cannot be listened on; the text is one line for the operator."""

    def __init__(self, address: str, why: str) -> None:
        self.address = address
        super().__init__(f"cannot listen on {address}: {why}")


def check_address(address: str) -> None:
    """Try an address.

    Raises
    ------
    CannotListen
        It is no address, is not this machine's, or another process has it.
    """
    if address.startswith(_UNIX):
        _check_unix(address)
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdecimal() or int(port) > 65_535:
        raise CannotListen(address, "must be host:port or unix:path")
    try:
        found = socket.getaddrinfo(
            host.strip("[]"),
            int(port),
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )
    except OSError as error:
        raise CannotListen(address, error.strerror or "no such host") from error
    failed = [why for each in found if (why := _bind_error(each[0], each[4]))]
    for why in failed:
        # localhost is two addresses, and a machine may well lack one of them;
        # but one that another process has is never right.
        if why.errno == errno.EADDRINUSE or len(failed) == len(found):
            raise CannotListen(address, _text(why))


def is_local(address: str) -> bool:
    """Return whether only this machine can connect to an address."""
    if address.startswith(_UNIX):
        return True
    host = address.rpartition(":")[0].strip("[]")
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(ipaddress.ip_address(each[4][0]).is_loopback for each in found)


def bound_address(address: str, port: int) -> str:
    """Return the address to connect to, given the port that was bound."""
    if address.startswith(_UNIX):
        return address
    return f"{address.rpartition(':')[0]}:{port}"


def _bind_error(family: int, where: tuple[object, ...]) -> OSError | None:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As gRPC does: connections that are still closing are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(where)
        except OSError as error:
            return error
    return None


def _check_unix(address: str) -> None:
    # Both unix:path and unix:///path are in use.
    path = Path(address.removeprefix(_UNIX).removeprefix("//"))
    if not path.name or not path.parent.is_dir():
        raise CannotListen(address, "no such directory")
    # gRPC would take the socket away from the process that listens there.
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_CONNECT_SECONDS)
        try:
            probe.connect(str(path))
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            return  # left behind by a server that is gone
        except OSError as error:
            raise CannotListen(address, _text(error)) from error
    raise CannotListen(address, "address already in use")


def _text(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
