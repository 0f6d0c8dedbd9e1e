"""What a channel may sell of an order, and the guards of that."""
