"""The presets, named by what they do."""

from types import MappingProxyType

from router.model import Objective, RoutingPolicy, Term, Walk

DEFAULT = "single-location-first"


def _preset(name: str, *terms: Term, walk: Walk | None = None) -> RoutingPolicy:
    objectives = (Term.UNASSIGNED_UNITS, *terms)
    return RoutingPolicy(name, tuple(Objective(term) for term in objectives), walk)


_PRESETS = (
    # The Lightspeed rules: one location if possible, else split the order, and
    # split a line only if it cannot be avoided.
    _preset(DEFAULT, Term.SPLIT_LINES, Term.SHIPMENTS, Term.PRIMARY, Term.RANK),
    # Altazion, Salesforce.
    _preset(
        "fewest-shipments",
        Term.SHIPMENTS,
        Term.SPLIT_LINES,
        Term.RANK,
        Term.DISTANCE_METERS,
    ),
    # The seed's printed table: the shortest prefix of the list that can do it.
    _preset(
        "ranked-prefix", Term.MAX_RANK, Term.SPLIT_LINES, Term.SHIPMENTS, Term.PRIMARY
    ),
    _preset("cheapest", Term.COST_MICROS, Term.SHIPMENTS, Term.SPLIT_LINES),
    # Sequential allocation as other platforms do it; the objectives only measure.
    _preset("priority", Term.SPLIT_LINES, Term.SHIPMENTS, walk=Walk.PRIORITY),
    _preset("nearest", Term.SPLIT_LINES, Term.SHIPMENTS, walk=Walk.NEAREST),
    _preset("highest-stock", Term.SPLIT_LINES, Term.SHIPMENTS, walk=Walk.HIGHEST_STOCK),
)

PRESETS = MappingProxyType({policy.name: policy for policy in _PRESETS})
"""Every preset by name."""
