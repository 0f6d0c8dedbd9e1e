"""Connections, identity, limits, status and metrics."""
