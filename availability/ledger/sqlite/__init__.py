"""The ledger on SQLite: the driver and what only it needs."""
