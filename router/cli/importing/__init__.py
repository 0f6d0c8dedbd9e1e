"""`repartir import`."""
