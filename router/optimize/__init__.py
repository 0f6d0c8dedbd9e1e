"""The optimisation, in index space: the only importer of OR-Tools."""
