"""What the server does beside and between calls."""
