"""How long a call may take."""

import grpc

from router.errors import DeadlineTooShort

DEFAULT_DEADLINE_SECONDS = 2.0
"""What a call may take whose client sets no deadline."""
MAX_DEADLINE_SECONDS = 300.0
"""What a call may take at most, whatever its client says."""
MIN_DEADLINE_SECONDS = 0.005
"""The least time worth starting with: an order's plan and its commit."""

Context = grpc.aio.ServicerContext[bytes, bytes]


class DeadlinePassed(Exception):
    """What the client's own deadline would have done; the outcome is not known."""


def time_left(context: Context, default_seconds: float) -> float:
    """Return the seconds a call may take; raises DeadlineTooShort."""
    # None where the client set no deadline, whatever the stubs say.
    left: float | None = context.time_remaining()
    if left is None:
        return default_seconds
    if left < MIN_DEADLINE_SECONDS:
        raise too_short(left)
    return min(left, MAX_DEADLINE_SECONDS)


def too_short(left: float) -> DeadlineTooShort:
    """Return the refusal of a call with so many seconds left."""
    milliseconds = max(0.0, left) * 1_000
    least = MIN_DEADLINE_SECONDS * 1_000
    text = f"deadline too short: {milliseconds:.1f} ms left, at least {least:g} needed"
    return DeadlineTooShort(text)
