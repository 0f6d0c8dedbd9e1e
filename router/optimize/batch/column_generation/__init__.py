"""The pattern LP and the rounds that price it."""
