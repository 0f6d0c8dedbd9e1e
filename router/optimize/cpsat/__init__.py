"""The model of record: every limit and objective in OR-Tools."""
