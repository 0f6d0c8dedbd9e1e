"""What the ledger keeps in memory, and how commits change it."""
