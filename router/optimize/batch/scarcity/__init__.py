"""Which stock is scarce, its value, and which orders wait for it."""
