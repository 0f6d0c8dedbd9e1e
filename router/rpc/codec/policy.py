"""Policies: a preset by name, and what the request replaces in it."""

import dataclasses
from collections.abc import Iterable, Sequence

from availability.errors import Violation
from availability.model import LocationKind
from router.model import LocationFilter, Objective, RoutingPolicy, Term
from router.policies import DEFAULT, PRESETS
from router.rpc.codec.enums import (
    INCOMPLETE_FROM_WIRE,
    INCOMPLETE_TO_WIRE,
    KIND_FROM_WIRE,
    KIND_TO_WIRE,
    RUNG_FROM_WIRE,
    RUNG_TO_WIRE,
    TERM_FROM_WIRE,
    TERM_TO_WIRE,
    no_member,
)
from router.rpc.codec.lists import at_most
from router.v1 import policy_pb2
from router.validation.breaches import out_of_range
from router.validation.shape import MAX_TOLERANCE_AMOUNT, MAX_TOLERANCE_PERMILLE

MAX_OBJECTIVES = len(Term)
"""Most objectives of a policy: each term once."""
MAX_FILTER_ITEMS = 10_000
"""Most items in a list of a filter."""

_ANYWHERE = LocationFilter()


def decode_policy(
    wire: policy_pb2.RoutingPolicy, path: str, violations: list[Violation]
) -> RoutingPolicy:
    """Read a policy: its preset, with what is set in its place.

    What cannot be kept is left at the preset's value and listed.
    """
    preset = PRESETS.get(wire.preset or DEFAULT)
    if preset is None:
        known = ", ".join(PRESETS)
        violations.append(
            Violation(f"{path}.preset", "UNKNOWN", f"must be one of {known}")
        )
        preset = PRESETS[DEFAULT]
    if wire == policy_pb2.RoutingPolicy(preset=wire.preset):
        return preset
    objectives = _decode_objectives(wire, path, violations)
    rung = RUNG_FROM_WIRE.get(wire.split_rung)
    if rung is None and wire.split_rung:
        violations.append(no_member(f"{path}.split_rung", wire.split_rung))
    incomplete = INCOMPLETE_FROM_WIRE.get(wire.incomplete)
    if incomplete is None and wire.incomplete:
        violations.append(no_member(f"{path}.incomplete", wire.incomplete))
    return dataclasses.replace(
        preset,
        objectives=objectives or preset.objectives,
        split_rung=rung or preset.split_rung,
        incomplete=incomplete or preset.incomplete,
        max_shipments=wire.max_shipments or preset.max_shipments,
        min_split_value_micros=wire.min_split_value_micros
        or preset.min_split_value_micros,
        routing_floor_units=wire.routing_floor_units or preset.routing_floor_units,
        filter=decode_filter(wire.filter, f"{path}.filter", violations)
        if wire.HasField("filter")
        else preset.filter,
    )


def _decode_objectives(
    wire: policy_pb2.RoutingPolicy, path: str, violations: list[Violation]
) -> tuple[Objective, ...]:
    before = len(violations)
    objectives = at_most(
        MAX_OBJECTIVES, wire.objectives, f"{path}.objectives", violations
    )
    found: dict[Term, Objective] = {}
    for index, each in enumerate(objectives):
        here = f"{path}.objectives[{index}]"
        term = TERM_FROM_WIRE.get(each.term)
        if term is None:
            violations.append(no_member(f"{here}.term", each.term))
        elif term in found:
            violations.append(
                Violation(f"{here}.term", "DUPLICATE", "each term once in a list")
            )
        tolerances = (
            ("tolerance_permille", MAX_TOLERANCE_PERMILLE, each.tolerance_permille),
            ("tolerance_amount", MAX_TOLERANCE_AMOUNT, each.tolerance_amount),
        )
        allowed = True
        for name, most, value in tolerances:
            if not 0 <= value <= most:
                violations.append(out_of_range(f"{here}.{name}", 0, most, value))
                allowed = False
            elif value and term is Term.PRIMARY:
                message = "primary takes no tolerance"
                violations.append(Violation(f"{here}.{name}", "NOT_ALLOWED", message))
                allowed = False
        if term is not None and allowed:
            found.setdefault(
                term, Objective(term, each.tolerance_permille, each.tolerance_amount)
            )
    # All or none: the places of what is left would be wrong in later violations.
    return tuple(found.values()) if len(violations) == before else ()


def decode_filter(
    wire: policy_pb2.LocationFilter, path: str, violations: list[Violation]
) -> LocationFilter:
    """Read a filter; a kind that is no kind is left out and listed."""
    kinds: set[LocationKind] = set()
    for index, number in enumerate(
        at_most(MAX_FILTER_ITEMS, wire.kinds, f"{path}.kinds", violations)
    ):
        kind = KIND_FROM_WIRE.get(number)
        if kind is None:
            violations.append(no_member(f"{path}.kinds[{index}]", number))
        else:
            kinds.add(kind)

    def read(items: Sequence[str], name: str) -> frozenset[str]:
        return frozenset(at_most(MAX_FILTER_ITEMS, items, f"{path}.{name}", violations))

    return LocationFilter(
        frozenset(kinds),
        read(wire.groups, "groups"),
        read(wire.country_codes, "country_codes"),
        wire.max_distance_meters,
        read(wire.included_location_ids, "included_location_ids"),
        read(wire.excluded_location_ids, "excluded_location_ids"),
    )


def encode_policy(policy: RoutingPolicy) -> policy_pb2.RoutingPolicy:
    """Write a policy in full: its preset's name and every value.

    Raises
    ------
    KeyError
        It is not made from a preset: the wire has no way to say its walk.
    """
    if PRESETS[policy.name] == policy:
        return policy_pb2.RoutingPolicy(preset=policy.name)
    return policy_pb2.RoutingPolicy(
        preset=policy.name,
        objectives=_encode_objectives(policy.objectives),
        split_rung=RUNG_TO_WIRE[policy.split_rung],
        incomplete=INCOMPLETE_TO_WIRE[policy.incomplete],
        max_shipments=policy.max_shipments,
        min_split_value_micros=policy.min_split_value_micros,
        routing_floor_units=policy.routing_floor_units,
        filter=None if policy.filter == _ANYWHERE else encode_filter(policy.filter),
    )


def _encode_objectives(
    objectives: Iterable[Objective],
) -> list[policy_pb2.Objective]:
    return [
        policy_pb2.Objective(
            term=TERM_TO_WIRE[each.term],
            tolerance_permille=each.tolerance_permille,
            tolerance_amount=each.tolerance_amount,
        )
        for each in objectives
    ]


def encode_filter(each: LocationFilter) -> policy_pb2.LocationFilter:
    """Write a filter; sets in order, so that the bytes are always the same."""
    return policy_pb2.LocationFilter(
        kinds=sorted(KIND_TO_WIRE[kind] for kind in each.kinds),
        groups=sorted(each.groups),
        country_codes=sorted(each.country_codes),
        max_distance_meters=each.max_distance_meters,
        included_location_ids=sorted(each.included_location_ids),
        excluded_location_ids=sorted(each.excluded_location_ids),
    )
