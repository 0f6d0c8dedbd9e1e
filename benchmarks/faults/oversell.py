"""Many clients order more than is in stock: all of it is sold, and never more."""

import math
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults.answers import Verdict
from benchmarks.faults.harness import serving
from benchmarks.faults.load import loading
from benchmarks.faults.scenario import Say, conclude, jobs_of
from benchmarks.faults.world import Basket, Stock, load, stock_of


@dataclass(frozen=True)
class Size:
    """How many clients, the orders of each, and the servers over one database.

    ``servers`` have a port each, ``workers`` of one of them share it.
    """

    clients: int
    orders: int
    servers: int = 1
    workers: int = 1


QUICK = Size(clients=3, orders=30)
FULL = Size(clients=32, orders=200)


def hot(
    database: str, folder: Path, size: Size, seed: int = 0, say: Say = print
) -> Verdict:
    """One SKU at one location; two thirds of the ordered units are in stock."""
    units = size.clients * size.orders * 2 // 3
    stock = {("l0", "hot"): units}
    return _run(database, folder, size, seed, stock, Basket(("hot",)), say)


def shared(
    database: str, folder: Path, size: Size, seed: int = 0, say: Say = print
) -> Verdict:
    """Orders of three lines, 1 to 3 units each, over six SKUs at three locations."""
    basket = Basket(tuple(f"s{n}" for n in range(6)), lines=3, most_units=3)
    # An order wants 6 units on average, so each SKU is wanted once an order; half
    # of that is there, at three locations.
    units = math.ceil(size.clients * size.orders / 6)
    stock = stock_of(3, basket.skus, units)
    return _run(database, folder, size, seed, stock, basket, say)


def churned(
    database: str, folder: Path, size: Size, seed: int = 0, say: Say = print
) -> Verdict:
    """As `shared`, and orders are held, cancelled, rejected and shipped meanwhile."""
    basket = Basket(tuple(f"s{n}" for n in range(6)), lines=3, most_units=3)
    stock = stock_of(3, basket.skus, math.ceil(size.clients * size.orders / 12))
    return _run(database, folder, size, seed, stock, basket, say, life=True)


def _run(
    database: str,
    folder: Path,
    size: Size,
    seed: int,
    stock: Stock,
    basket: Basket,
    say: Say,
    *,
    life: bool = False,
) -> Verdict:
    say(
        f"{size.clients} clients x {size.orders} orders, {size.servers} server(s) "
        f"of {size.workers} worker(s), "
        f"{sum(stock.values()):,} units there, seed {seed}"
    )
    options = ("--workers", str(size.workers)) if size.workers > 1 else ()
    with serving(database, folder, count=size.servers, options=options) as servers:
        load(servers[0].address, stock)
        addresses = [each.address for each in servers]
        jobs = jobs_of(
            size.clients, addresses, basket, folder, seed, orders=size.orders, life=life
        )
        with loading(jobs) as clients:
            clients.join()
        # What was cancelled late may be left.
        sold_out = () if life else {sku for _, sku in stock}
        return conclude(database, stock, jobs, servers, say, sold_out=sold_out)
