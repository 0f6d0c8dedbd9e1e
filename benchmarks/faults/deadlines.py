"""A storm of deadlines that are too short: no half of an order is ever committed."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults.answers import Verdict
from benchmarks.faults.harness import serving
from benchmarks.faults.load import loading
from benchmarks.faults.scenario import MIXED, PLENTY, SKUS, Say, conclude, jobs_of
from benchmarks.faults.world import load, stock_of

STORM_TRIES = 6
"""Tries with a deadline that may be too short, before one that suffices."""


@dataclass(frozen=True)
class Size:
    """How many clients, the orders of each, and the servers over one database.

    With several, a late try is still under way while the next goes to another server.
    """

    clients: int
    orders: int
    servers: int = 1


QUICK = Size(clients=3, orders=40)
FULL = Size(clients=16, orders=300)


def storm(
    database: str, folder: Path, size: Size, seed: int = 0, say: Say = print
) -> Verdict:
    """Give each try up to twice the time of an answer, until it is answered."""
    stock = stock_of(3, SKUS, PLENTY)
    with serving(database, folder, count=size.servers) as servers:
        at = [each.address for each in servers]
        load(at[0], stock)
        jobs = jobs_of(
            size.clients,
            at,
            MIXED,
            folder,
            seed,
            orders=size.orders,
            life=True,
            storm_tries=STORM_TRIES,
        )
        with loading(jobs) as clients:
            clients.join()
        say(
            f"{size.clients} clients x {size.orders} orders, "
            f"{size.servers} server(s), seed {seed}"
        )
        return conclude(database, stock, jobs, servers, say)
