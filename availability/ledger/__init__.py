"""The truth about stock: one protocol, one module for each database."""
