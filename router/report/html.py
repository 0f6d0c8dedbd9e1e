"""A report as one page: no network, no scripts, pictures inside it."""

import html
import importlib
import re
from collections.abc import Iterator
from types import ModuleType

from router.report.model import Report
from router.report.style import STYLE
from router.report.words import (
    Grid,
    figures,
    gap_text,
    kept_grid,
    load_grids,
    phases_grid,
    sentences,
    series_grid,
    signed,
    spread,
)

PAGE_LOCATIONS = 200
"""Busiest locations in the tables; the rest is added up."""
EXTRA = "repartir[report]"

# What no page may hold, and what would turn the text around it.
_HIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
# Whatever an id may hold, nothing is loaded and nothing runs.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


class PicturesUnavailable(Exception):
    """What draws the pictures is not installed."""

    def __init__(self) -> None:
        super().__init__(
            f"a page's pictures need matplotlib: pip install '{EXTRA}'",
        )


def check_pictures() -> None:
    """Make sure that a page can be made, before any work is done for it.

    Raises
    ------
    PicturesUnavailable
        matplotlib is not installed.
    """
    _pictures()


def to_html(report: Report) -> str:
    """Return a page that needs nothing else; the same report gives the same text.

    Raises
    ------
    PicturesUnavailable
        matplotlib is not installed.
    """
    pictures = _pictures()
    title = _text(report.title)
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>',
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>",
            f"<h1>{title}</h1>",
            *_body(report, pictures),
            "</main>\n</body>\n</html>\n",
        ]
    )


def _pictures() -> ModuleType:
    # Loaded when it is asked for: matplotlib is an extra, and half a second.
    try:
        return importlib.import_module("router.report.pictures")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        raise PicturesUnavailable from None


def _body(report: Report, pictures: ModuleType) -> Iterator[str]:
    if report.made_at:
        yield f'<p class="quiet">{_text(report.made_at)}</p>'
    yield from _tiles(report)
    said = sentences(report)
    if said:
        items = "".join(f"<li>{_text(each)}</li>" for each in said)
        yield f"<ul>{items}</ul>"
    yield _table(figures(report))
    yield "<h2>Shipments per order</h2>"
    yield _figure(
        pictures.spread_picture(report),
        "How many orders have how many shipments: fewer is better, 0 is an order that "
        "nobody ships.",
    )
    yield _table(spread(report))
    series = series_grid(report)
    if series is not None:
        yield "<h2>Over time</h2>"
        yield _figure(
            pictures.series_picture(report),
            "Shipments found, and the bound that no plan can beat. What is between "
            "them is the gap.",
        )
        yield _folded(series)
    loads = load_grids(report, PAGE_LOCATIONS)
    if loads:
        yield "<h2>Load by location</h2>"
        yield _figure(
            pictures.load_picture(report),
            f"Units of the {pictures.PICTURE_LOCATIONS} busiest locations.",
        )
        yield from map(_folded, loads)
    others = [each for each in (kept_grid(report), phases_grid(report)) if each]
    if others:
        yield "<h2>The work</h2>"
        yield from map(_table, others)
    if report.notes:
        yield "<h2>Notes</h2>"
        yield from (f'<p class="quiet">{_text(each)}</p>' for each in report.notes)


def _tiles(report: Report) -> Iterator[str]:
    """Yield the few numbers that most readers look for, of first and last."""
    base, last = report.base, report.last
    if base is last:
        return
    found = [
        ("shipments", base.shipments, last.shipments),
        ("split orders", base.split_orders, last.split_orders),
        ("complete orders", base.complete_orders, last.complete_orders),
    ]
    if len(report.outcomes) > 2:
        return
    yield '<dl class="tiles">'
    for label, before, after in found:
        change = signed(after - before) or "no change"
        yield (
            f"<div><dt>{label}</dt><dd>{after:,}</dd>"
            f'<dd class="quiet">{change} from {before:,}</dd></div>'
        )
    gap = report.gap_shipments
    if gap is not None and report.bound is not None:
        text = gap_text(report.bound.shipments + gap, report.bound.shipments)
        yield (
            f"<div><dt>gap</dt><dd>{text or gap}</dd>"
            f'<dd class="quiet">{gap:,} above the bound</dd></div>'
        )
    yield "</dl>"


def _figure(picture: str, caption: str) -> str:
    return f"<figure>{picture}<figcaption>{_text(caption)}</figcaption></figure>"


def _folded(grid: Grid) -> str:
    """Return a table that is opened by who wants it."""
    return f"<details><summary>{_text(grid.title)}</summary>{_table(grid)}</details>"


def _table(grid: Grid) -> str:
    heads = [f'<th scope="col">{_text(each)}</th>' for each in grid.columns]
    rows = [
        f'<tr><th scope="row">{_text(row.label)}</th>'
        + "".join(f"<td>{_text(each)}</td>" for each in row.values)
        + "</tr>"
        for row in grid.rows
    ]
    corner = (
        f'<th scope="col">{_text(grid.corner)}</th>' if grid.corner else "<td></td>"
    )
    title = _text(grid.title)
    # It scrolls by itself where a phone is too narrow, by keyboard too.
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{title}">'
        f"<table><caption>{title}</caption><thead><tr>{corner}{''.join(heads)}</tr>"
        f"</thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _text(value: str) -> str:
    """Return a text that is nothing but text, whoever it is from."""
    return html.escape(_HIDDEN.sub("\N{REPLACEMENT CHARACTER}", value))
