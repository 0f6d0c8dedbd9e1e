"""Pending orders decided again, together: what they hold, where it could go instead.

From open plans to a problem (`joint_problem`), from its answer to changes of plans
(`moves`), in an order in which each can be done (`move_order`). How the problem is
solved is `router.optimize.batch`; `router.rpc.background.rerouter` calls all this.
"""
