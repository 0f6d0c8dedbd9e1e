"""Which location ships what."""
