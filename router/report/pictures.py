"""A report's pictures, as SVG to stand inside a page.

Needs matplotlib, the extra ``repartir[report]``; `router.report.html` loads this module
only when a page is asked for. Colours are CSS variables of the page (``--ink``,
``--grid``, ``--gap``, ``--c0`` and so on), so that a picture is dark where the page is.
The same report makes the same bytes.
"""

import html
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from router.report.model import MAX_OUTCOMES, Point, Report, RoutingOutcome
from router.report.words import busiest, spread_counts, spread_labels

PICTURE_LOCATIONS = 30
"""Busiest locations in the picture of the load."""
MAX_POINTS = 600
"""Points of a series that are drawn: a line has no more pixels."""
NAME_CHARACTERS = 22
"""Longest name in a picture; the tables show it in full."""

_WIDTH = 4.6
_ROW = 0.19
_MARKERS = "os^DvPX<>h*p"
# No colour that is drawn otherwise: each is replaced by its variable.
_INK, _GRID, _GAP = "#0a0b01", "#0a0b02", "#0a0b03"
_COLOURS = [f"#0a0c{n:02x}" for n in range(MAX_OUTCOMES)]
_VARIABLES = {_INK: "ink", _GRID: "grid", _GAP: "gap"} | {
    colour: f"c{n}" for n, colour in enumerate(_COLOURS)
}
_STYLE: Any = {
    "svg.hashsalt": "repartir",
    "svg.fonttype": "none",  # letters stay letters: to be searched and read aloud
    "text.parse_math": False,  # a dollar in an id is no formula
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _GRID,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_ASIDE = re.compile(r"<(metadata|style)\b.*?</\1>", re.DOTALL)
_HIDDEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def spread_picture(report: Report) -> str:
    """Draw the number of orders by number of shipments."""
    labels, counts = spread_labels(report), spread_counts(report)
    bars = len(report.outcomes)
    group = bars + 0.8
    with _styled():
        figure, axes = _figure(len(labels) * group * _ROW)
        most = max([1, *map(max, counts)])
        for at, outcome in enumerate(report.outcomes):
            heights = [n * group + at for n in range(len(labels))]
            values = [each[at] for each in counts]
            axes.barh(heights, values, 0.86, color=_COLOURS[at], label=_name(outcome))
            for height, value in zip(heights, values, strict=True):
                axes.text(value + most / 80, height, f"{value:,}", va="center", size=9)
        axes.set_xlim(0, most * 1.2)
        axes.set_yticks([n * group + (bars - 1) / 2 for n in range(len(labels))])
        axes.set_yticklabels(labels)
        axes.set_ylabel("shipments")
        axes.set_xlabel("orders")
        axes.set_ylim(max(1.0, len(labels) * group) - 1.2, -0.8)
        _count_axis(axes)
        _legend(figure)
        return _svg(figure, "spread", "Orders by number of shipments", _summary(report))


def load_picture(report: Report) -> str:
    """Draw the units of the busiest locations, a mark for each outcome."""
    shown = busiest(report, PICTURE_LOCATIONS)
    rows = range(len(shown))
    with _styled():
        figure, axes = _figure(len(shown) * _ROW * 1.15)
        units = [[load.units for load in loads] for _, loads in shown]
        least, most = [min(each) for each in units], [max(each) for each in units]
        axes.hlines(rows, least, most, color=_GRID, linewidth=2.5, zorder=1)
        for at, outcome in enumerate(report.outcomes):
            values = [each[at] for each in units]
            axes.scatter(
                values,
                rows,
                s=26,
                marker=_MARKERS[at],
                color=_COLOURS[at],
                label=_name(outcome),
                zorder=2 + at,
            )
        axes.set_yticks(rows)
        axes.set_yticklabels([_cut(name) for name, _ in shown])
        axes.set_xlim(left=0)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.set_xlabel("units")
        axes.grid(axis="y", color=_GRID, linewidth=0.4)
        _count_axis(axes)
        _legend(figure)
        return _svg(figure, "load", "Units by location", _summary(report))


def series_picture(report: Report) -> str:
    """Draw shipments and their bound over time: between them is the gap."""
    points = _thinned(report.series)
    nothing = float("nan")
    seconds = [each.seconds for each in points]
    values = [nothing if x.value is None else float(x.value) for x in points]
    bounds = [nothing if x.bound is None else float(x.bound) for x in points]
    with _styled():
        figure, axes = _figure(2.2)
        drawn: dict[str, Any] = {"drawstyle": "steps-post", "linewidth": 1.8}
        axes.plot(seconds, values, color=_COLOURS[1], label="shipments", **drawn)
        axes.plot(
            seconds, bounds, color=_COLOURS[0], linestyle="--", label="bound", **drawn
        )
        axes.fill_between(
            seconds, bounds, values, step="post", color=_GAP, linewidth=0, label="gap"
        )
        if len(points) == 1:
            axes.plot(seconds, values, "o", color=_COLOURS[1])
            axes.plot(seconds, bounds, "o", color=_COLOURS[0])
        axes.set_xlabel("seconds")
        axes.yaxis.set_major_formatter(FuncFormatter(_count))
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.grid(axis="y", color=_GRID, linewidth=0.4)
        _legend(figure, 3)
        last = points[-1]
        summary = f"At the end: {last.value} shipments, bound {last.bound}."
        return _svg(figure, "series", "Shipments over time and their bound", summary)


@contextmanager
def _styled() -> Iterator[None]:
    """Draw the same everywhere, regardless of any matplotlibrc."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH, 0.9 + max(0.8, height)), layout="constrained")
    FigureCanvasSVG(figure)
    figure.patch.set_visible(False)
    axes = figure.add_subplot()
    axes.patch.set_visible(False)
    return figure, axes


def _legend(figure: Figure, columns: int = 2) -> None:
    figure.legend(loc="outside upper left", ncols=columns, frameon=False)


def _count_axis(axes: Axes) -> None:
    axes.xaxis.set_major_formatter(FuncFormatter(_count))
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def _count(value: float, _: int) -> str:
    return f"{value:,.0f}"


def _thinned(points: Sequence[Point]) -> list[Point]:
    """Return at most `MAX_POINTS` points, with the first and the last."""
    last = len(points) - 1
    parts = min(last, MAX_POINTS - 1)
    return [points[at * last // parts if parts else 0] for at in range(parts + 1)]


def _name(outcome: RoutingOutcome) -> str:
    # A name with a leading underscore would be left out of the legend.
    return _cut(outcome.name).replace("_", "\N{LOW LINE}\N{WORD JOINER}", 1)


def _cut(name: str) -> str:
    name = _HIDDEN.sub("\N{REPLACEMENT CHARACTER}", name)
    if len(name) <= NAME_CHARACTERS:
        return name
    return f"{name[: NAME_CHARACTERS - 1]}\N{HORIZONTAL ELLIPSIS}"


def _summary(report: Report) -> str:
    names = ", ".join(_cut(each.name) for each in report.outcomes)
    return f"{names}; the numbers are in the table that follows."


def _svg(figure: Figure, name: str, title: str, summary: str) -> str:
    """Return a figure as an element of a page, with ids of its own."""
    target = io.StringIO()
    with warnings.catch_warnings():
        # The browser has the glyphs that this font lacks.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        figure.savefig(target, format="svg")
    text = target.getvalue()
    text = text[text.index("<svg") :]
    # Its style would be that of the whole page, which has it for pictures alone; its
    # metadata has the clock's date.
    text = _ASIDE.sub("", text)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    head, _, body = text.partition(">")
    view = re.search(r'viewBox="[^"]*"', head)
    box = view[0] if view else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink" {box} role="img" '
        f'aria-labelledby="{name}-title {name}-summary">'
        f'<title id="{name}-title">{html.escape(title)}</title>'
        f'<desc id="{name}-summary">{html.escape(summary)}</desc>{body.rstrip()}'
    )
