"""Policies of a command line: presets by name, others from JSON files."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from google.protobuf import json_format

from availability.errors import Violation
from router.cli.console.exits import fail
from router.cli.routing.orders_file import MAX_DEPTH, one_line
from router.model import RoutingPolicy
from router.policies import PRESETS
from router.rpc.codec.policy import decode_policy
from router.v1 import policy_pb2
from router.validation.shape import policy_breaches

SUFFIX = ".json"
"""The suffix of a policy that is a file and not a preset."""
MAX_POLICY_BYTES = 4 * 2**20
"""Largest policy file: a server refuses requests of this size."""


class NamedPolicy(NamedTuple):
    """A policy and its name on the command line."""

    name: str
    policy: RoutingPolicy


def read_policies(names: Sequence[str]) -> list[NamedPolicy]:
    """Return the policies of a command line; end the command if one is bad."""
    if len(set(names)) < len(names):
        raise fail("--policy: the same policy is given twice")
    return [NamedPolicy(name, _policy(name)) for name in names]


def _policy(name: str) -> RoutingPolicy:
    if name in PRESETS:
        return PRESETS[name]
    if not name.endswith(SUFFIX):
        known = ", ".join(PRESETS)
        raise fail(f"no policy {name!r}: choose one of {known}, or a {SUFFIX} file")
    try:
        with Path(name).open("rb") as file:
            raw = file.read(MAX_POLICY_BYTES + 1)
    except OSError as error:
        raise fail(f"{name}: cannot be read: {error.strerror}") from None
    if len(raw) > MAX_POLICY_BYTES:
        raise fail(f"{name}: longer than {MAX_POLICY_BYTES:,} bytes")
    violations: list[Violation] = []
    try:
        wire = policy_pb2.RoutingPolicy()
        json_format.Parse(raw.decode("utf-8-sig"), wire, max_recursion_depth=MAX_DEPTH)
        policy = decode_policy(wire, "policy", violations)
    except UnicodeDecodeError:
        raise fail(f"{name}: not UTF-8") from None
    except RecursionError:
        raise fail(f"{name}: nested too deeply") from None
    except json_format.ParseError as error:
        raise fail(f"{name}: {one_line(str(error))}") from None
    violations += policy_breaches(policy)
    if violations:
        raise fail(*(f"{name}: {each.path}: {each.message}" for each in violations))
    return policy
