"""Faults on purpose, end to end: nothing may be sold twice, nothing may be lost."""
