"""Many orders over shared stock, decided together, with a certificate."""
