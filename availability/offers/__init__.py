"""What a channel may sell of a SKU: the specification, and the same in bulk."""
