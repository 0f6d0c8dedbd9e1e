"""The ledger on PostgreSQL: the driver and what only it needs."""
