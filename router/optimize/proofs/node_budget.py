"""A bound on the work of a search, counted, never timed."""

MASKS_PER_NODE = 64
"""Masks looked at for the price of one node, so that a node is always about the
same work (some tens of microseconds)."""


def bits(mask: int) -> list[int]:
    """Return the positions of a mask's bits, lowest first."""
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found


class OutOfNodesError(Exception):
    """A search reached its limit of nodes: it proves nothing."""


class Budget:
    """Nodes left to a search."""

    __slots__ = ("_left",)

    def __init__(self, nodes: int) -> None:
        self._left = nodes

    def spend(self, nodes: int = 1) -> None:
        """Use some nodes.

        Raises
        ------
        OutOfNodesError
            There are none left.
        """
        self._left -= nodes
        if self._left < 0:
            raise OutOfNodesError
