"""What a re-routing or a replay did: numbers, and pages that show them."""
