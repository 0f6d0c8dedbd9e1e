"""Every enum, both ways. A test walks the descriptors: none may be missing."""

from types import MappingProxyType

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

# The members share their names with the model's: a name that one side lacks is
# a KeyError when the server starts, never a wrong answer.

KIND_TO_WIRE = MappingProxyType(
    {
        kind: location_pb2.LocationKind.Value(f"LOCATION_KIND_{kind.name}")
        for kind in LocationKind
    }
)
MODE_TO_WIRE = MappingProxyType(
    {
        mode: stock_service_pb2.ImportMode.Value(f"IMPORT_MODE_{mode.name}")
        for mode in ImportMode
    }
)
TERM_TO_WIRE = MappingProxyType(
    {
        term: policy_pb2.ObjectiveTerm.Value(f"OBJECTIVE_TERM_{term.name}")
        for term in Term
    }
)
RUNG_TO_WIRE = MappingProxyType(
    {rung: policy_pb2.SplitRung.Value(f"SPLIT_RUNG_{rung.name}") for rung in SplitRung}
)
INCOMPLETE_TO_WIRE = MappingProxyType(
    {
        each: policy_pb2.IncompletePolicy.Value(f"INCOMPLETE_POLICY_{each.name}")
        for each in Incomplete
    }
)
STATUS_TO_WIRE = MappingProxyType(
    {
        status: plan_pb2.PlanStatus.Value(f"PLAN_STATUS_{status.name}")
        for status in PlanStatus
    }
)
UNASSIGNED_TO_WIRE = MappingProxyType(
    {
        reason: plan_pb2.UnassignedReason.Value(f"UNASSIGNED_REASON_{reason.name}")
        for reason in UnassignedReason
    }
)
FILTER_TO_WIRE = MappingProxyType(
    {
        each: plan_pb2.EliminationFilter.Value(f"ELIMINATION_FILTER_{each.name}")
        for each in EliminationFilter
    }
)
STATE_TO_WIRE = MappingProxyType(
    {
        state: reservation_pb2.ReservationState.Value(f"RESERVATION_STATE_{state.name}")
        for state in ReservationState
    }
)
REJECTION_TO_WIRE = MappingProxyType(
    {
        reason: reservation_pb2.RejectionReason.Value(f"REJECTION_REASON_{reason.name}")
        for reason in RejectionReason
    }
)
CAUSE_TO_WIRE = MappingProxyType(
    {
        cause: stock_service_pb2.MovementCause.Value(f"MOVEMENT_CAUSE_{cause.name}")
        for cause in Cause
    }
)
PURPOSE_TO_WIRE = MappingProxyType(
    {
        each: channel_pb2.AllocationPurpose.Value(f"ALLOCATION_PURPOSE_{each.name}")
        for each in Purpose
    }
)
SOURCE_TO_WIRE = MappingProxyType(
    {
        each: channel_pb2.SupplySource.Value(f"SUPPLY_SOURCE_{each.name}")
        for each in SupplySource
    }
)
BACKORDERS_TO_WIRE = MappingProxyType(
    {
        each: channel_pb2.Backorders.Value(f"BACKORDERS_{each.name}")
        for each in Backorders
    }
)
OFFER_STATUS_TO_WIRE = MappingProxyType(
    {
        each: availability_service_pb2.AvailabilityStatus.Value(
            f"AVAILABILITY_STATUS_{each.name}"
        )
        for each in Status
    }
)
RULE_TO_WIRE = MappingProxyType(
    {
        each: availability_service_pb2.AvailabilityRule.Value(
            f"AVAILABILITY_RULE_{each.name}"
        )
        for each in Rule
    }
)
LEVEL_TO_WIRE = MappingProxyType(
    {
        each: availability_service_pb2.SettingsLevel.Value(
            f"SETTINGS_LEVEL_{each.name}"
        )
        for each in Level
    }
)

KIND_FROM_WIRE = MappingProxyType({v: k for k, v in KIND_TO_WIRE.items()})
MODE_FROM_WIRE = MappingProxyType({v: k for k, v in MODE_TO_WIRE.items()})
TERM_FROM_WIRE = MappingProxyType({v: k for k, v in TERM_TO_WIRE.items()})
RUNG_FROM_WIRE = MappingProxyType({v: k for k, v in RUNG_TO_WIRE.items()})
INCOMPLETE_FROM_WIRE = MappingProxyType({v: k for k, v in INCOMPLETE_TO_WIRE.items()})
STATUS_FROM_WIRE = MappingProxyType({v: k for k, v in STATUS_TO_WIRE.items()})
UNASSIGNED_FROM_WIRE = MappingProxyType({v: k for k, v in UNASSIGNED_TO_WIRE.items()})
FILTER_FROM_WIRE = MappingProxyType({v: k for k, v in FILTER_TO_WIRE.items()})
STATE_FROM_WIRE = MappingProxyType({v: k for k, v in STATE_TO_WIRE.items()})
REJECTION_FROM_WIRE = MappingProxyType({v: k for k, v in REJECTION_TO_WIRE.items()})
CAUSE_FROM_WIRE = MappingProxyType({v: k for k, v in CAUSE_TO_WIRE.items()})
PURPOSE_FROM_WIRE = MappingProxyType({v: k for k, v in PURPOSE_TO_WIRE.items()})
SOURCE_FROM_WIRE = MappingProxyType({v: k for k, v in SOURCE_TO_WIRE.items()})
BACKORDERS_FROM_WIRE = MappingProxyType({v: k for k, v in BACKORDERS_TO_WIRE.items()})
OFFER_STATUS_FROM_WIRE = MappingProxyType(
    {v: k for k, v in OFFER_STATUS_TO_WIRE.items()}
)
RULE_FROM_WIRE = MappingProxyType({v: k for k, v in RULE_TO_WIRE.items()})
LEVEL_FROM_WIRE = MappingProxyType({v: k for k, v in LEVEL_TO_WIRE.items()})


def required(path: str) -> Violation:
    """Return the violation of a field that is not set."""
    return Violation(path, "REQUIRED", "must be set")


def no_member(path: str, number: int) -> Violation:
    """Return the violation of an enum field: 0 is unset, others are unknown."""
    if not number:
        return required(path)
    return Violation(path, "UNKNOWN", f"no member has the number {number}")
