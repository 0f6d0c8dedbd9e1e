"""What may be sold: channels, settings, allocations, kits, and every fault at once."""
