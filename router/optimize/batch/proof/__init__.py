"""Bounds, and the certificate that is checked without a solver."""
