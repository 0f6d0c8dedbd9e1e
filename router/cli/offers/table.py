"""Offers for people: a table, and a waterfall chart of each."""

import datetime
from collections.abc import Collection, Sequence
from typing import NamedTuple

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from router.cli.offers.view import OfferView, RequestView, StepView, effective_steps

MIN_BAR_COLUMNS = 8
MAX_BAR_COLUMNS = 60
ROOMY_COLUMNS = 100
"""From this width on, the largest table has lines between its columns."""
_TABLE_COLUMNS = 62
"""Width of a chart's other columns, borders included."""
_STATUS_STYLES = {
    "available": "green",
    "low": "yellow",
    "backorder": "yellow",
    "preorder": "cyan",
    "unavailable": "red",
}


class Signs(NamedTuple):
    """Signs the terminal can show."""

    unlimited: str
    block: str
    endless: str

    @classmethod
    def of(cls, console: Console) -> "Signs":
        """Return signs for a terminal, in ASCII if it has only that."""
        if console.options.ascii_only:
            return cls("unlimited", "#", "~")
        return cls("\N{INFINITY}", "\N{FULL BLOCK}", "\N{LIGHT SHADE}")


def offers_table(views: Sequence[OfferView], width: int, signs: Signs) -> Table:
    """Return one row per SKU, without empty columns."""
    dated = any(each.available_from_seconds is not None for each in views)
    noted = any(_notes(each) for each in views)
    # Lines between eight columns would leave no room for their cells.
    airy = dated and noted and width < ROOMY_COLUMNS
    table = _table()
    if airy:
        table.box, table.collapse_padding, table.pad_edge = box.SIMPLE_HEAD, True, False
    table.add_column("SKU", style="bold", overflow="fold", min_width=6)
    table.add_column("units", justify="right", overflow="fold")
    table.add_column("status", no_wrap=True)
    table.add_column("shown")
    table.add_column("max order", justify="right", overflow="fold")
    table.add_column("one place", justify="right", overflow="fold")
    if dated:
        table.add_column("from (UTC)", overflow="fold", min_width=len("2026-01-31"))
    if noted:
        table.add_column("notes", overflow="fold", min_width=8)
    for each in views:
        # Ids are not markup.
        cells = [
            Text(each.sku),
            Text(_units(each.quantity_units, signs)),
            Text(each.status, style=_STATUS_STYLES.get(each.status, "")),
            Text("yes") if each.published else Text("no", style="red"),
            Text(_units(each.max_orderable_units, signs)),
            Text(_units(each.single_location_units, signs)),
        ]
        if dated:
            cells.append(Text(_date(each.available_from_seconds)))
        if noted:
            cells.append(Text(_notes(each)))
        table.add_row(*cells)
    return table


def requests_table(views: Sequence[OfferView]) -> Table:
    """Return one row per SKU: whether the units can be ordered, else what refuses."""
    table = _table()
    table.add_column("SKU", style="bold", overflow="fold", min_width=6)
    table.add_column("requested", justify="right", overflow="fold")
    table.add_column("can be ordered")
    table.add_column("backordered", justify="right", overflow="fold")
    table.add_column("refused by", overflow="fold")
    table.add_column("level", overflow="fold")
    for view in views:
        request = view.request
        if request is not None:
            table.add_row(Text(view.sku), *_request_cells(request))
    return table


def _request_cells(request: RequestView) -> list[Text]:
    passes = Text("yes", style="green") if request.passes else Text("no", style="red")
    return [
        Text(f"{request.units:,}"),
        passes,
        Text(f"{request.backordered_units:,}"),
        Text(_words(request.refused_by)),
        Text(_words(request.level)),
    ]


def waterfall_chart(
    view: OfferView, width: int, signs: Signs, *, all_steps: bool
) -> RenderableType:
    """Return the steps that led to an offer, one row each, drawn to scale.

    A bar reaches from the number before a step to the number after it; the last is
    the quantity. ``all_steps`` includes steps without effect.
    """
    columns = min(MAX_BAR_COLUMNS, max(MIN_BAR_COLUMNS, width - _TABLE_COLUMNS))
    totals = [each.total_units for each in view.steps if each.total_units is not None]
    scale = _Scale(min(0, *totals, 0), max(1, *totals, 1), columns, signs)
    title = Text(view.sku, style="bold")
    title.append(" on ", style="dim")
    title.append(view.channel_id)
    table = _table()
    table.add_column("step")
    table.add_column("effect", justify="right", overflow="fold")
    table.add_column("units", justify="right", overflow="fold")
    table.add_column("", min_width=columns, max_width=columns, no_wrap=True)
    table.add_column("level")
    shown = {
        id(each) for each in (view.steps if all_steps else effective_steps(view.steps))
    }
    before_units: int | None = 0
    for each in view.steps:
        if id(each) in shown:
            table.add_row(*_step_cells(each, before_units, scale, signs))
        before_units = each.total_units
    table.add_section()
    table.add_row(
        Text("quantity", style="bold"),
        "",
        Text(_units(view.quantity_units, signs), style="bold"),
        Text(scale.bar(0, view.quantity_units), style="bold"),
        "",
    )
    return Group(title, table)


def versions_line(versions: Collection[int]) -> Text | None:
    """Return the stock versions of offers; None for files, which have none.

    Offers requested one by one may be of several versions.
    """
    first, last = min(versions, default=0), max(versions, default=0)
    if not last:
        return None
    span = f"{first:,}" if first == last else f"{first:,} to {last:,}"
    return Text(f"stock version {span}", style="dim")


class _Scale(NamedTuple):
    """Draws units from ``low_units`` to ``high_units`` in ``columns``."""

    low_units: int
    high_units: int
    columns: int
    signs: Signs

    def bar(self, before_units: int | None, after_units: int | None) -> str:
        """Draw a bar from one number to another; None is unlimited."""
        if after_units is None:
            return self.signs.endless * self.columns
        if before_units is None or before_units == after_units:
            return ""
        start = self._column(min(before_units, after_units))
        end = self._column(max(before_units, after_units))
        if end == start:
            # A step too small for the scale still gets one column.
            start, end = (start, end + 1) if start < self.columns else (end - 1, end)
        return " " * start + self.signs.block * (end - start)

    def _column(self, units: int) -> int:
        return (
            (units - self.low_units)
            * self.columns
            // (self.high_units - self.low_units)
        )


def _step_cells(
    step: StepView, before_units: int | None, scale: _Scale, signs: Signs
) -> list[Text]:
    grows = "green" if step.effect_units else "dim"
    style = "red" if step.effect_units < 0 else grows
    endless = step.total_units is None and before_units is None
    start_units = 0 if step.replaces else before_units
    return [
        Text(_words(step.rule)),
        Text(f"{step.effect_units:+,}" if step.effect_units else "", style=style),
        Text(_units(step.total_units, signs)),
        Text("" if endless else scale.bar(start_units, step.total_units), style=style),
        Text(_words(step.level), style="dim" if step.level == "default" else ""),
    ]


def _table() -> Table:
    return Table(box=box.ROUNDED, border_style="dim", header_style="dim")


def _units(units: int | None, signs: Signs) -> str:
    return signs.unlimited if units is None else f"{units:,}"


def _words(name: str | None) -> str:
    return (name or "").replace("_", " ")


def _date(seconds: int | None) -> str:
    if seconds is None:
        return ""
    instant = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return instant.strftime("%Y-%m-%d %H:%M")


def _notes(view: OfferView) -> str:
    """Return notes on an offer, the most serious first."""
    notes = []
    # A number that does not come from stock needs no known stock.
    if not view.known and not view.published:
        notes.append("unknown")
    if view.fixed:
        notes.append("fixed")
    if view.backorder_notice:
        notes.append("backorder notice")
    if view.low_stock_ids:
        notes.append(f"low at {', '.join(view.low_stock_ids)}")
    return ", ".join(notes)
