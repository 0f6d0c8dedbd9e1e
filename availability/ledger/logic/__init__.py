"""Pure decisions of the ledger: rows in, changes out."""
