"""`repartir reroute`."""
