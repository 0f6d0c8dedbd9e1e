"""Which stock is scarce, what it is worth, and who waits for it."""
