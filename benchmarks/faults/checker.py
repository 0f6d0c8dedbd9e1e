"""What must be true at the end, whatever happened to the servers.

It opens the ledger itself, once no server has it, and compares it with the answers
that the clients recorded. Breaches are sentences; there must be none.
"""

import collections
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from pysqlite3 import dbapi2 as driver

from availability.ledger.open import open_ledger
from availability.ledger.protocol import MAX_PAGE, Ledger
from availability.model import StockRecord
from availability.reservations import PlanRef
from benchmarks.faults.answers import (
    Answer,
    Expected,
    Units,
    Verdict,
    read_answers,
)
from benchmarks.faults.world import Stock
from router.rpc.codec.request import decode_request

CLOCK_SECONDS = 0.002
"""The ledger's times are in whole milliseconds."""


def check(
    database: str,
    stock: Stock,
    files: Iterable[Path],
    *,
    sold_out: Iterable[str] = (),
) -> Verdict:
    """Judge a ledger by the clients' answers; ``sold_out``: SKUs with nothing left.

    ``stock`` is what was imported, once, before the first order.
    """
    verdict = Verdict()
    answers = read_answers(files, verdict)
    if database.startswith("sqlite:"):
        verdict.claim("the file", _unsound(Path(database.removeprefix("sqlite:///"))))
    with closing(open_ledger(database)) as ledger:
        _check_replies(ledger, answers, verdict)
        _check_balances(ledger, stock, answers, verdict)
        _check_sold_out(ledger, set(sold_out), verdict)
        report = ledger.audit()
        verdict.claim("audit", report.drifts)
    return verdict


def _check_replies(ledger: Ledger, answers: Sequence[Answer], verdict: Verdict) -> None:
    """Every reply is stored, byte for byte, under its request and its plan."""
    lost, changed = [], []
    replanned = {
        each.request.plan_id for each in answers if each.method == "RejectAssignment"
    }
    for each in answers:
        wire, plan = each.request, each.plan
        stored = ledger.replay(decode_request(each.method, wire, wire.request_id, []))
        name = f"{each.method} {wire.request_id}"
        if stored is None:
            lost.append(name)
        elif stored != each.reply:
            changed.append(name)
        elif (
            plan
            and plan.plan_id not in replanned
            and ledger.plan(plan.plan_id) != stored
        ):
            changed.append(f"{name}, of its plan")
        elif plan and each.tries > 1:
            created = ledger.reservation(PlanRef(plan.plan_id)).created_seconds
            verdict.learnt_later += created < each.sent - CLOCK_SECONDS
    verdict.claim("acknowledged and lost", lost)
    verdict.claim("another reply is stored", changed)


def _check_balances(
    ledger: Ledger, stock: Stock, answers: Sequence[Answer], verdict: Verdict
) -> None:
    """Stock promises what the plans hold, once each, and never more than on hand."""
    expected, moved = Expected(), _moved_by_plan(ledger)
    for each in answers:
        expected.follow(each)
    verdict.claim("an answer that makes no sense", expected.wrong)
    verdict.assigned_units = sum(sum(x.values()) for x in expected.assigned.values())
    unsure = len(moved.keys() - expected.held.keys())
    verdict.extra_plans = unsure
    verdict.claim(
        "a plan does not hold what was answered",
        [
            f"{plan_id} {dict(moved.get(plan_id, Units()))}, not {dict(units)}"
            for plan_id, units in expected.held.items()
            if +moved.get(plan_id, Units()) != units
        ],
    )
    if unsure > verdict.undecided:
        verdict.claim(
            "a plan unknown to every client", moved.keys() - expected.held.keys()
        )
    orders = collections.Counter(
        ledger.reservation(PlanRef(plan_id)).order_id
        for plan_id in moved.keys() | expected.held.keys()
    )
    verdict.claim("an order with two plans", [o for o, n in orders.items() if n > 1])
    there = Units(stock)
    there.subtract(expected.shipped)
    _check_records(ledger, there, sum(moved.values(), Units()), verdict)


def _check_records(
    ledger: Ledger, there: Units, promised: Units, verdict: Verdict
) -> None:
    found = {(each.location_id, each.sku): each for each in records(ledger)}
    if found.keys() != there.keys():
        verdict.breaches.append("the records are not those imported")
    for at, record in found.items():
        units = record.allocated + record.held
        if record.on_hand != there[at]:
            verdict.claim("on hand", [f"{record}, after shipments {there[at]}"])
        if not 0 <= units <= record.on_hand:
            verdict.claim("oversold", [record])
        if units != promised[at]:
            verdict.claim("promised", [f"{record}, plans have {promised[at]}"])


def _check_sold_out(ledger: Ledger, skus: set[str], verdict: Verdict) -> None:
    left = [each for each in records(ledger) if each.sku in skus and each.available]
    verdict.claim("more was ordered, and some is left", left)


def _moved_by_plan(ledger: Ledger) -> Mapping[str, Units]:
    """Add up the movements of every plan: what it holds now."""
    moved: dict[str, Units] = {}
    after = 0
    while page := ledger.movements(after=after, limit=MAX_PAGE):
        after = page[-1].movement_key
        for each in page:
            if each.plan_id:
                units = each.movement.allocated + each.movement.held
                at = (each.movement.location_id, each.movement.sku)
                moved.setdefault(each.plan_id, Units())[at] += units
    return moved


def records(ledger: Ledger) -> Iterator[StockRecord]:
    """Yield every record."""
    page = ledger.stock(limit=MAX_PAGE)
    yield from page.records
    while page.after is not None:
        page = ledger.stock(after=page.after, limit=MAX_PAGE)
        yield from page.records


def _unsound(path: Path) -> list[object]:
    with closing(driver.connect(path)) as db:
        found = db.execute("PRAGMA integrity_check").fetchall()
        found += db.execute("PRAGMA foreign_key_check").fetchall()
    return [each for each in found if each != ("ok",)]
