"""The gRPC edge: bytes to values and back, and nothing else."""
