"""Pending orders over shared stock: generated instances and measurements."""
