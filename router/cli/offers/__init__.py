"""`repartir availability` and `repartir feed`."""
