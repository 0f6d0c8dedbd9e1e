"""The least cost of one order at given prices."""
