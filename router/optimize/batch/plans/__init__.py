"""Plans of all orders: the best so far, the greedy, ties, moves."""
