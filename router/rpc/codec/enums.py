"""Every enum, both ways. A test walks the descriptors: none may be missing."""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Protocol, TypeVar

from availability.errors import Violation
from availability.model import ImportMode, LocationKind
from availability.offers.offer import Rule, Status
from availability.reservations import Cause, ReservationState
from availability.setup.channels import Purpose, SupplySource
from availability.setup.settings import Backorders, Level
from availability.v1 import (
    availability_service_pb2,
    channel_pb2,
    location_pb2,
    stock_service_pb2,
)
from router.amending.rejection import RejectionReason
from router.model import (
    EliminationFilter,
    Incomplete,
    PlanStatus,
    SplitRung,
    Term,
    UnassignedReason,
)
from router.v1 import plan_pb2, policy_pb2, reservation_pb2

EnumT = TypeVar("EnumT", bound=Enum)
ValueT = TypeVar("ValueT", bound=int)
ValueT_co = TypeVar("ValueT_co", bound=int, covariant=True)


class _WireEnum(Protocol[ValueT_co]):
    def Value(self, name: str) -> ValueT_co: ...


def _to_wire(
    members: type[EnumT], wire: _WireEnum[ValueT], prefix: str
) -> Mapping[EnumT, ValueT]:
    numbers = {each: wire.Value(f"{prefix}_{each.name}") for each in members}
    return MappingProxyType(numbers)


def _from_wire(to_wire: Mapping[EnumT, ValueT]) -> Mapping[ValueT, EnumT]:
    return MappingProxyType({number: each for each, number in to_wire.items()})


# The members share their names with the model's: a name that one side lacks is
# a KeyError when the server starts, never a wrong answer.

KIND_TO_WIRE = _to_wire(LocationKind, location_pb2.LocationKind, "LOCATION_KIND")
MODE_TO_WIRE = _to_wire(ImportMode, stock_service_pb2.ImportMode, "IMPORT_MODE")
TERM_TO_WIRE = _to_wire(Term, policy_pb2.ObjectiveTerm, "OBJECTIVE_TERM")
RUNG_TO_WIRE = _to_wire(SplitRung, policy_pb2.SplitRung, "SPLIT_RUNG")
INCOMPLETE_TO_WIRE = _to_wire(
    Incomplete, policy_pb2.IncompletePolicy, "INCOMPLETE_POLICY"
)
STATUS_TO_WIRE = _to_wire(PlanStatus, plan_pb2.PlanStatus, "PLAN_STATUS")
UNASSIGNED_TO_WIRE = _to_wire(
    UnassignedReason, plan_pb2.UnassignedReason, "UNASSIGNED_REASON"
)
FILTER_TO_WIRE = _to_wire(
    EliminationFilter, plan_pb2.EliminationFilter, "ELIMINATION_FILTER"
)
STATE_TO_WIRE = _to_wire(
    ReservationState, reservation_pb2.ReservationState, "RESERVATION_STATE"
)
REJECTION_TO_WIRE = _to_wire(
    RejectionReason, reservation_pb2.RejectionReason, "REJECTION_REASON"
)
CAUSE_TO_WIRE = _to_wire(Cause, stock_service_pb2.MovementCause, "MOVEMENT_CAUSE")
PURPOSE_TO_WIRE = _to_wire(Purpose, channel_pb2.AllocationPurpose, "ALLOCATION_PURPOSE")
SOURCE_TO_WIRE = _to_wire(SupplySource, channel_pb2.SupplySource, "SUPPLY_SOURCE")
BACKORDERS_TO_WIRE = _to_wire(Backorders, channel_pb2.Backorders, "BACKORDERS")
OFFER_STATUS_TO_WIRE = _to_wire(
    Status, availability_service_pb2.AvailabilityStatus, "AVAILABILITY_STATUS"
)
RULE_TO_WIRE = _to_wire(
    Rule, availability_service_pb2.AvailabilityRule, "AVAILABILITY_RULE"
)
LEVEL_TO_WIRE = _to_wire(
    Level, availability_service_pb2.SettingsLevel, "SETTINGS_LEVEL"
)

KIND_FROM_WIRE = _from_wire(KIND_TO_WIRE)
MODE_FROM_WIRE = _from_wire(MODE_TO_WIRE)
TERM_FROM_WIRE = _from_wire(TERM_TO_WIRE)
RUNG_FROM_WIRE = _from_wire(RUNG_TO_WIRE)
INCOMPLETE_FROM_WIRE = _from_wire(INCOMPLETE_TO_WIRE)
STATUS_FROM_WIRE = _from_wire(STATUS_TO_WIRE)
UNASSIGNED_FROM_WIRE = _from_wire(UNASSIGNED_TO_WIRE)
FILTER_FROM_WIRE = _from_wire(FILTER_TO_WIRE)
STATE_FROM_WIRE = _from_wire(STATE_TO_WIRE)
REJECTION_FROM_WIRE = _from_wire(REJECTION_TO_WIRE)
CAUSE_FROM_WIRE = _from_wire(CAUSE_TO_WIRE)
PURPOSE_FROM_WIRE = _from_wire(PURPOSE_TO_WIRE)
SOURCE_FROM_WIRE = _from_wire(SOURCE_TO_WIRE)
BACKORDERS_FROM_WIRE = _from_wire(BACKORDERS_TO_WIRE)
OFFER_STATUS_FROM_WIRE = _from_wire(OFFER_STATUS_TO_WIRE)
RULE_FROM_WIRE = _from_wire(RULE_TO_WIRE)
LEVEL_FROM_WIRE = _from_wire(LEVEL_TO_WIRE)


def required(path: str) -> Violation:
    """Return the violation of a field that is not set."""
    return Violation(path, "REQUIRED", "must be set")


def no_member(path: str, number: int) -> Violation:
    """Return the violation of an enum field: 0 is unset, others are unknown."""
    if not number:
        return required(path)
    return Violation(path, "UNKNOWN", f"no member has the number {number}")
