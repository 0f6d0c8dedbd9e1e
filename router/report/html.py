"""A report as one page: no network, no scripts, pictures inside it."""

import importlib
from types import ModuleType

from router.report.model import Report

EXTRA = "repartir[report]"


class PicturesUnavailable(Exception):
    """The libraries that draw a page are not installed."""

    def __init__(self) -> None:
        super().__init__(
            f"a report page needs matplotlib and Jinja2: pip install '{EXTRA}'"
        )


def check_pictures() -> None:
    """Check that a page can be made, before any work is done for it.

    Raises
    ------
    PicturesUnavailable
        matplotlib or Jinja2 is not installed.
    """
    _page()


def to_html(report: Report) -> str:
    """Return a page that needs nothing else; the same report gives the same text.

    Raises
    ------
    PicturesUnavailable
        matplotlib or Jinja2 is not installed.
    """
    page: str = _page().render(report)
    return page


def _page() -> ModuleType:
    # Loaded on demand: the libraries are an extra and take half a second to import.
    try:
        return importlib.import_module("router.report.page")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("matplotlib", "jinja2"):
            raise
        raise PicturesUnavailable from None
