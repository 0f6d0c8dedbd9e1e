"""The SQL of the migrations: one script for each revision and database."""

from pathlib import Path

VERSIONS = Path(__file__).parent / "versions"


def statements_of(revision: str, dialect: str) -> list[str]:
    """Return a migration's statements for a database, named as SQLAlchemy does.

    Each ends in the script with a semicolon at the end of a line.
    """
    script = (VERSIONS / f"{revision}_{dialect}.sql").read_text()
    return [each for each in script.split(";\n") if each.strip()]
