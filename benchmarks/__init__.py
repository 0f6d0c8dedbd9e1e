"""Benchmarks of the hot paths: fixed work, and a wrong answer loses."""
