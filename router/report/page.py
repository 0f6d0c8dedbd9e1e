"""Fills the template of a report's page, ``page.html.j2`` next to this file.

Needs matplotlib and Jinja2, the extra ``repartir[report]``; `router.report.html` loads
this module on demand.
"""

import functools
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from router.report.model import Report
from router.report.pictures import (
    PICTURE_LOCATIONS,
    load_picture,
    series_picture,
    spread_picture,
)
from router.report.words import (
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

# What no page may hold, and what would turn the text around it.
_HIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


class _Tile(NamedTuple):
    """One of the few numbers that most readers look for."""

    label: str
    value: str
    note: str


def render(report: Report) -> str:
    """Return the page of a report; the same report gives the same text."""
    series = series_grid(report)
    loads = load_grids(report, PAGE_LOCATIONS)
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            report=report,
            tiles=list(_tiles(report)),
            sentences=sentences(report),
            figures=figures(report),
            spread=spread(report),
            spread_picture=Markup(spread_picture(report)),  # noqa: S704
            series=series,
            series_picture=series and Markup(series_picture(report)),  # noqa: S704
            loads=loads,
            load_picture=loads and Markup(load_picture(report)),  # noqa: S704
            picture_locations=PICTURE_LOCATIONS,
            work=[each for each in (kept_grid(report), phases_grid(report)) if each],
        )
    )


@functools.cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("router.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        keep_trailing_newline=True,
    )


def _visible(value: Any) -> Any:
    """Replace characters that hide text or change its direction."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return _HIDDEN.sub("\N{REPLACEMENT CHARACTER}", value)


def _tiles(report: Report) -> Iterator[_Tile]:
    """Yield the changes from the first outcome to the second, if there are two."""
    base, last = report.base, report.last
    if len(report.outcomes) != 2:
        return
    for label, before, after in (
        ("shipments", base.shipments, last.shipments),
        ("split orders", base.split_orders, last.split_orders),
        ("complete orders", base.complete_orders, last.complete_orders),
    ):
        change = signed(after - before) or "no change"
        yield _Tile(label, f"{after:,}", f"{change} from {before:,}")
    gap = report.gap_shipments
    if gap is not None and report.bound is not None:
        text = gap_text(report.bound.shipments + gap, report.bound.shipments)
        yield _Tile("gap", text or str(gap), f"{gap:,} above the bound")
