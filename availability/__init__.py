"""What may be promised, on which channel, and holding it."""
