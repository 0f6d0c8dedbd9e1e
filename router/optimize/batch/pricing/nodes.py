"""Nodes of the branching of each large order, by what it is priced for.

More nodes give better plans and bounds and take longer; `BatchLimits` has no say.
"""

EXACT_NODES = 100
"""In a proof; beyond, a bound is still one."""
SHORT_PROOF_NODES, HASTY_PROOF_NODES = 16, 2
"""In a proof that has less time, and in one that has none: that is always made."""
PLACE_PROOF_NODES = 4
"""In the proof of the level ``places``, where more prove little."""
FIRST_NODES, STATIC_NODES = 2, 40
"""On the whole stock: in the first look at all orders, and for those left open."""
LOOSE_NODES, SETTLED_NODES = 2, 16
"""In the column generation: until the prices have settled, and after."""
GREEDY_NODES = 16
"""On what the orders before have left."""
LEFT_OVER_NODES = 2
"""For orders that rounding has left over."""
REPAIR_NODES, NEIGHBOUR_NODES = 4, 1
"""In repair: for an order by itself, and with its neighbours."""
NEARER_NODES = 4
"""For an order that ships in parts, from nearer locations."""
