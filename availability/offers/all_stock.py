"""When settings leave the stock of a channel as it is: then no offer is computed."""

from operator import attrgetter

from availability.offers.offer import LIMIT_FIELDS
from availability.setup.settings import FIELDS, Effective

_CHANGE_NO_NUMBER = {
    "low_units",
    "notify_units",
    "publication_threshold_units",
    *LIMIT_FIELDS.values(),
}
"""Settings that describe an offer or bound one order."""
_changing_values = attrgetter(*sorted({*FIELDS} - _CHANGE_NO_NUMBER))
_CHANGING_NOTHING = _changing_values(Effective())


def sells_all_stock(settings: Effective) -> bool:
    """Tell whether the steps after the reserves leave any known number as it is."""
    return _changing_values(settings) == _CHANGING_NOTHING
