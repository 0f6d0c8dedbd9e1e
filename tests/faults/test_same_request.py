"""One request at two servers at once: both are given the first reply."""

import threading
import time
from collections.abc import Callable
from contextlib import closing

import psycopg
import pytest

from availability.ledger.open import open_ledger
from availability.ledger.protocol import Ledger
from availability.model import ImportMode, LocationId, Request, Sku
from availability.reservations import Cancel, Claim, Place, PlanRef, Reservation, Ship
from tests.availability.ledger.world import change, import_set, location

REQUEST = Request("r1", b"body")
WAIT_SECONDS = 0.5
"""For both to have looked for a reply, and to wait for the row that they change."""

Write = Callable[[Ledger], bytes]


def delta(ledger: Ledger) -> bytes:
    return ledger.import_stock(ImportMode.DELTA, [change("l0", "x", -4)], REQUEST)


def ship(ledger: Ledger) -> bytes:
    return ledger.change(PlanRef("p"), Ship(), REQUEST)


def cancel(ledger: Ledger) -> bytes:
    return ledger.change(PlanRef("p"), Cancel(), REQUEST)


def place(ledger: Ledger) -> bytes:
    return ledger.change(PlanRef("p"), Place(), REQUEST)


@pytest.mark.parametrize("write", [ship, cancel, place, delta])
def test_a_repeat_that_overtakes_is_given_the_first_reply(
    postgres: str, write: Write
) -> None:
    with (
        closing(open_ledger(postgres)) as first,
        closing(open_ledger(postgres)) as then,
    ):
        first.put_locations([location("l0")])
        import_set(first, change("l0", "x", 6))
        claim = Claim(LocationId("l0"), Sku("x"), 2, line_id="1")
        hold = 60 if write is place else None
        first.reserve(Reservation("p", "o", (claim,), b"reply", hold_seconds=hold))
        outcomes: list[bytes | Exception] = []

        def send(ledger: Ledger) -> None:
            try:
                outcomes.append(write(ledger))
            except Exception as error:
                outcomes.append(error)

        threads = [
            threading.Thread(target=send, args=(each,)) for each in (first, then)
        ]
        with psycopg.connect(postgres) as db:
            db.execute("SELECT 1 FROM plan, stock FOR UPDATE")
            for each in threads:
                each.start()
            time.sleep(WAIT_SECONDS)
        for each in threads:
            each.join()

        assert outcomes == [write(first)] * 2
