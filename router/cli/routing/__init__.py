"""`repartir route` and `repartir replay`."""
