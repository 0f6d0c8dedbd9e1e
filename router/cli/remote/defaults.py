"""Defaults for where a server listens and keeps its stock."""

DEFAULT_ADDRESS = "127.0.0.1:7450"
DEFAULT_DATABASE = "sqlite:///repartir.db"
