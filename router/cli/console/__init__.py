"""What every command shares with the terminal and the file system."""
