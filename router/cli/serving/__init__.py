"""`repartir serve`."""
