"""A network that cuts, resets, half-closes and delays: clients learn what happened."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults.answers import Verdict
from benchmarks.faults.harness import serving
from benchmarks.faults.load import loading
from benchmarks.faults.proxy import Proxy
from benchmarks.faults.scenario import MIXED, PLENTY, SKUS, Say, conclude, jobs_of
from benchmarks.faults.world import load, stock_of

CLIENT_BYTES = 8_000
"""Most that a client's connection carries one way: about a dozen calls."""
STORE_BYTES = 100_000
"""The same of a connection to the database, which is expensive to open."""


@dataclass(frozen=True)
class Size:
    """How many clients, and orders of each."""

    clients: int
    orders: int


QUICK = Size(clients=2, orders=40)
FULL = Size(clients=8, orders=400)
STORE = Size(clients=4, orders=100)
"""With PostgreSQL's connections broken, where each costs more."""


def clients_side(
    database: str, folder: Path, size: Size, seed: int = 0, say: Say = print
) -> Verdict:
    """Break the connections between the clients and the server."""
    stock = stock_of(3, SKUS, PLENTY)
    with serving(database, folder) as servers, ExitStack() as stack:
        proxy = stack.enter_context(
            Proxy(servers[0].address, seed, CLIENT_BYTES).running()
        )
        load(servers[0].address, stock)
        proxy.faulty = True
        jobs = jobs_of(
            size.clients,
            [proxy.address],
            MIXED,
            folder,
            seed,
            orders=size.orders,
            life=True,
        )
        with loading(jobs) as clients:
            clients.join()
        say(f"between {size.clients} clients and the server, seed {seed}")
        say(f"connections broken: {dict(sorted(proxy.struck.items()))}")
        return conclude(database, stock, jobs, servers, say)


def store_side(
    database: str, folder: Path, size: Size, seed: int = 0, say: Say = print
) -> Verdict:
    """Break the connections between the server and its PostgreSQL.

    ``database`` is an address with a host and a port.
    """
    stock = stock_of(3, SKUS, PLENTY)
    scheme, _, rest = database.partition("://")
    user, _, place = rest.rpartition("@")
    target, _, name = place.partition("/")
    with ExitStack() as stack:
        proxy = stack.enter_context(Proxy(target, seed, STORE_BYTES).running())
        through = f"{scheme}://{user}@{proxy.address}/{name}"
        servers = stack.enter_context(serving(through, folder))
        at = [servers[0].address]
        load(at[0], stock)
        proxy.faulty = True
        # Those in the pool are sound: make it open others.
        proxy.reset_open()
        jobs = jobs_of(
            size.clients, at, MIXED, folder, seed, orders=size.orders, life=True
        )
        with loading(jobs) as clients:
            clients.join()
        proxy.faulty = False
        say(f"between the server and its database, {size.clients} clients, seed {seed}")
        say(f"connections broken: {dict(sorted(proxy.struck.items()))}")
        return conclude(database, stock, jobs, servers, say)
