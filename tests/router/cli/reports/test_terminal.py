"""A report on terminals of all widths."""

import io

import pytest
from rich.console import Console

from router.cli.reports.terminal import render
from router.report.model import Count, LocationLoad, Report
from tests.router.report.reports import outcome, rerouting

NAMES = (
    "single-location-first",
    "fewest-shipments",
    "ranked-prefix",
    "priority",
    "nearest",
)


def shown(report: Report, width: int, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding, errors="strict")
    render(report, Console(file=file, width=width, highlight=False))
    file.flush()
    return raw.getvalue().decode(encoding)


def policies() -> Report:
    outcomes = tuple(
        outcome(name, 0, 1_000_000 + n, 9 - n, complete_orders=4_000 + n)
        for n, name in enumerate(NAMES)
    )
    return Report(title="Replay", outcomes=outcomes)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("report", [rerouting(), policies()], ids=["two", "five"])
def test_nothing_is_wider_than_the_terminal(width: int, report: Report) -> None:
    lines = shown(report, width).splitlines()

    assert max(map(len, lines)) <= width


def test_everything_is_printed() -> None:
    text = shown(rerouting(), 80)

    for expected in (
        "2026-11-22",
        "cap on moves",
        "repair",
        "Nothing else.",
        "a gap of",
    ):
        assert expected in text


def test_pairs_are_side_by_side_if_they_fit() -> None:
    narrow = shown(rerouting(), 80).splitlines()
    wide = shown(rerouting(), 120).splitlines()

    assert not any("Outcome" in x and "Orders by" in x for x in narrow)
    assert any("Outcome" in x and "Orders by" in x for x in wide)


def test_many_policies_take_several_tables_and_none_is_left_out() -> None:
    text = shown(policies(), 80)

    assert [text.count(f"{4_000 + n:,}") for n in range(5)] == [2, 1, 1, 1, 1]


def test_names_are_no_markup() -> None:
    odd = outcome("[red]a", loads=(LocationLoad("[/b] x", 1, 1),))
    report = Report(title="[bold]t", outcomes=(odd,), kept=(Count("[i]k", 1),))

    text = shown(report, 80)
    assert all(each in text for each in ("[red]a", "[/b] x", "[bold]t", "[i]k"))


def test_a_terminal_without_unicode_gets_ascii() -> None:
    assert "-3" in shown(rerouting(), 80, "ascii")
