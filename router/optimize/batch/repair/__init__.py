"""From a fractional answer to a good plan: rounding and repair."""
