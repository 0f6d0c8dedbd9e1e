"""Connecting to a server or a database."""
