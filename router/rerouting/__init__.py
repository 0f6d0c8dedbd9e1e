"""Pending orders decided again, together: what they hold, where it could go instead.

From open plans to a problem (`world`), from its answer to changes of plans
(`moves`), in an order in which each can be done (`sequence`). How the problem is
solved is `router.optimize.batch`; who calls all this is `router.rpc.rerouting`.
"""
