"""What a call has to pass before it is answered."""

from router.rpc.transport.deadlines import Context
from router.rpc.transport.errors import Overloaded
from router.rpc.transport.metrics import Metrics
from router.rpc.transport.tokens import Tokens

MAX_CONCURRENT = 512
"""Most calls being answered at once, unless an operator says another number."""
MAX_WATCHES = 1_000
"""Most streams at once that last for as long as their clients want."""


class Gate:
    """What the calls of one server have to pass, and where they are counted.

    Without ``tokens`` any caller is let in. A call that is one too many is refused
    at once: its client learns it while there is time to go elsewhere. Health
    checks do not come here, so that a server under load does not look dead.
    """

    def __init__(
        self,
        metrics: Metrics | None = None,
        tokens: Tokens | None = None,
        max_concurrent: int = MAX_CONCURRENT,
    ) -> None:
        self.metrics = metrics or Metrics()
        self.in_flight = 0
        """Calls in flight."""
        self.watching = 0
        """Streams that last, open now."""
        self._tokens = tokens
        self._max_concurrent = max_concurrent
        self.metrics.watch(
            "repartir_rpc_in_flight",
            "Calls in flight.",
            lambda: self.in_flight,
        )
        self.metrics.watch(
            "repartir_watches",
            "Open streams of availability.",
            lambda: self.watching,
        )

    def enter(self, context: Context, needed: int) -> None:
        """Let a call in; the caller subtracts it from ``in_flight`` when it ends.

        Raises
        ------
        TokenMissing, TokenUnknown, ScopeMissing
            It may not be made by its caller.
        Overloaded
            There are too many.
        """
        self._check(context, needed)
        if self.in_flight >= self._max_concurrent:
            raise Overloaded(f"too many calls in flight ({self._max_concurrent})")
        self.in_flight += 1

    def enter_watch(self, context: Context, needed: int) -> None:
        """Let a stream in that lasts, to be let out of ``watching``; as `enter`.

        It takes no place of the calls, which it would keep for hours.
        """
        self._check(context, needed)
        if self.watching >= MAX_WATCHES:
            raise Overloaded(f"too many open streams ({MAX_WATCHES})")
        self.watching += 1

    def _check(self, context: Context, needed: int) -> None:
        if self._tokens is not None:
            self._tokens.check(context.invocation_metadata() or (), needed)
