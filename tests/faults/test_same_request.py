"""One request at two servers at once: both return the first reply."""

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
WAIT_SECONDS = 60.0
"""Longest wait until both have looked for a reply and wait for the row they change."""
WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND datname = current_database()
"""

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
def test_a_repeat_that_overtakes_returns_the_first_reply(
    postgres: str, write: Write
) -> None:
    with (
        closing(open_ledger(postgres)) as first,
        closing(open_ledger(postgres)) as second,
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
            threading.Thread(target=send, args=(each,)) for each in (first, second)
        ]
        with (
            psycopg.connect(postgres, autocommit=True) as look,
            psycopg.connect(postgres) as db,
        ):
            db.execute("SELECT 1 FROM plan, stock FOR UPDATE")
            for each in threads:
                each.start()
            give_up = time.monotonic() + WAIT_SECONDS
            # A connection of its own: a transaction sees one state of the activity.
            while look.execute(WAITING).fetchone() != (2,):
                assert time.monotonic() < give_up, outcomes
                time.sleep(0.01)
        for each in threads:
            each.join()

        assert outcomes == [write(first)] * 2
