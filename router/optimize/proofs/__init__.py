"""Combinatorial proofs that answer without a solver."""
