"""A plan as one line of protobuf JSON."""

import json
from collections.abc import Mapping

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor

from router.model import RoutingPlan
from router.rpc.codec.plan import encode_plan


def plan_json(plan: RoutingPlan) -> str:
    """Return the JSON of a plan's `router.v1.RoutingPlan`, on one line.

    It has all fields, set or not, in the order of the contract. Protobuf puts set
    fields first, so that two plans could not be compared line by line.
    """
    wire = encode_plan(plan)
    fields = json_format.MessageToDict(
        wire,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )
    return json.dumps(_in_order(fields, wire.DESCRIPTOR))


def _in_order(fields: Mapping[str, object], kind: Descriptor) -> dict[str, object]:
    ordered: dict[str, object] = {}
    for field in kind.fields:
        if field.name not in fields:
            continue
        value = fields[field.name]
        if field.message_type is None:
            ordered[field.name] = value
        elif isinstance(value, list):
            ordered[field.name] = [
                _in_order(each, field.message_type) for each in value
            ]
        elif isinstance(value, dict):
            ordered[field.name] = _in_order(value, field.message_type)
    return ordered
