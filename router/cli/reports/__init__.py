"""Reports on the terminal and in files."""
