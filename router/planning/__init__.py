"""From an order and stock to a problem, and from its solution to a plan."""
