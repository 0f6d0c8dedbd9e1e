"""Where orders are priced: in this process, or on a Ray cluster."""
