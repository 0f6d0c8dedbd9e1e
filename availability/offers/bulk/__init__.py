"""Offers of many SKUs and channels at once, held equal to `explain`."""
