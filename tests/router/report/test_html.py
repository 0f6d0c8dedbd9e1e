"""A report's page: whole in itself, the same each time, whatever ids hold."""

import builtins
import html.parser
import sys
import warnings
from functools import cache
from typing import Any

import pytest
from matplotlib import rc_context

from router.report.html import PicturesUnavailable, check_pictures, to_html
from router.report.model import (
    Count,
    LocationLoad,
    Phase,
    Point,
    Report,
    RoutingOutcome,
)
from tests.router.report.reports import outcome, rerouting

VOID = {"meta", "br", "use"}
HOSTILE = "<script>alert(1)</script>\"'&$x^2$ 東京\x00\ud800\u202e"


class Page(html.parser.HTMLParser):
    """Reads a page: its tags, its ids, its text, and whether all tags close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def of(self, name: str) -> list[str]:
        return [value for found, value in self.attributes if found == name]


def hostile() -> Report:
    loads = (
        LocationLoad(HOSTILE, 1, 5),
        LocationLoad("_" + "long" * 40, 1, 3),
        LocationLoad("$x^2$", 1, 1),
    )
    return rerouting(
        title=HOSTILE,
        outcomes=(
            outcome("_" + HOSTILE, 0, 96, 4, loads=loads),
            outcome("b" * 200, 0, 99, 1, unassigned=(Count(HOSTILE, 1),)),
        ),
        kept=(Count(HOSTILE, 2),),
        phases=(Phase(HOSTILE, 1.0),),
        notes=(HOSTILE,),
        made_at=HOSTILE,
    )


def nothing() -> RoutingOutcome:
    return outcome("nothing", 0, shipments_per_order=())


REPORTS = {
    "rerouting": rerouting(),
    "hostile": hostile(),
    "one": Report(title="One", outcomes=(outcome("a"),)),
    "no orders": Report(title="None", outcomes=(nothing(),)),
    "twelve": Report(
        title="Twelve", outcomes=tuple(outcome(f"p{n}") for n in range(12))
    ),
    "one point": rerouting(series=(Point(0.0, None, None),)),
    "wide": rerouting(
        outcomes=(
            outcome(loads=tuple(LocationLoad(f"l{n}", 1, n) for n in range(1_000))),
            outcome("b"),
        ),
        series=tuple(Point(n / 10, 9_999 - n, n) for n in range(5_000)),
    ),
}


@cache
def drawn(name: str) -> str:
    """Return a page that several tests look at: pictures take their time."""
    return to_html(REPORTS[name])


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_has_its_page(name: str) -> None:
    text = drawn(name)
    page = Page(text)

    assert len(text.encode()) < 2**20
    assert page.tags.count("svg") == page.tags.count("figure") >= 1
    assert page.tags.count("table") == page.tags.count("caption") >= 2
    ids = page.of("id")
    assert len(ids) == len(set(ids))
    assert {each for label in page.of("aria-labelledby") for each in label.split()} <= {
        *ids
    }


@pytest.mark.parametrize("name", REPORTS)
def test_nothing_comes_from_elsewhere_and_nothing_runs(name: str) -> None:
    page = Page(drawn(name))

    assert {"script", "link", "img", "iframe", "image", "foreignobject"}.isdisjoint(
        page.tags
    )
    targets = page.of("href") + page.of("xlink:href") + page.of("src")
    assert all(each.startswith("#") for each in targets)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert page.tags.count("style") == 1
    assert "@import" not in "".join(page.words)


@pytest.mark.parametrize("name", REPORTS)
def test_every_reference_inside_leads_somewhere(name: str) -> None:
    page = Page(drawn(name))
    ids = set(page.of("id"))

    assert {each[1:] for each in page.of("xlink:href")} <= ids
    clips = page.of("clip-path")
    assert {each[5:-1] for each in clips} <= ids


def test_the_same_report_makes_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a matplotlibrc and the clock say, and after JSON and back."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    again = Report.from_json(rerouting().to_json())
    others: Any = {"font.size": 33, "svg.hashsalt": "other", "font.weight": "bold"}
    with rc_context(others):
        assert to_html(again) == drawn("rerouting")


def test_ids_are_nothing_but_text() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = to_html(hostile())
    page = Page(text)
    shown = "<script>alert(1)</script>\"'&$x^2$ 東京\ufffd\ufffd\ufffd"

    assert "<script" not in text
    assert page.words.count(shown) >= 6
    assert page.words.count("$x^2$") == 3  # in the picture and two tables
    text.encode()  # no half of a surrogate pair is left
    assert "\x00" not in text


def test_numbers_are_there_as_text() -> None:
    words = Page(drawn("rerouting")).words

    for said in ("104", "101", "\N{MINUS SIGN}3", "cap on moves", "1.00 %"):
        assert said in words


def test_pictures_are_drawn_in_the_colours_of_the_page() -> None:
    text = drawn("rerouting")
    pictures = text[text.index("<svg") :]

    assert "var(--c0)" in pictures
    assert "#0a0" not in pictures
    assert "stroke: #000000" not in pictures


@pytest.fixture
def without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(sys.modules):
        pages = ("router.report.page", "router.report.pictures")
        if name.partition(".")[0] == "matplotlib" or name in pages:
            monkeypatch.delitem(sys.modules, name)
    real = builtins.__import__

    def missing(name: str, *rest: Any, **more: Any) -> Any:
        if name.partition(".")[0] == "matplotlib":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)


@pytest.mark.usefixtures("without_matplotlib")
def test_without_the_extra_it_is_named() -> None:
    with pytest.raises(PicturesUnavailable, match=r"install 'repartir\[report\]'"):
        check_pictures()
    with pytest.raises(PicturesUnavailable):
        to_html(rerouting())
