"""`repartir demo`."""
