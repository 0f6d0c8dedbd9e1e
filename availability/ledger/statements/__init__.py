"""What both databases execute, in SQLAlchemy Core."""
