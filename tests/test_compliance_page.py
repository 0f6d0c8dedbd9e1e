"""docs/compliance.md names tests that exist, and all of `tests/compliance`."""

import ast
import fnmatch
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/compliance.md").read_text()
NAMED = set(re.findall(r"`(test_\w+\*?)`", TEXT))


def names_in(path: Path) -> set[str]:
    """Return the names of the tests of a file."""
    found = ast.walk(ast.parse(path.read_text()))
    functions = {each.name for each in found if isinstance(each, ast.FunctionDef)}
    return {name for name in functions if name.startswith("test_")}


def test_every_test_named_exists() -> None:
    files = set(re.findall(r"`(tests/\S+\.py)`", TEXT))
    existing = set().union(*(names_in(ROOT / each) for each in files))

    assert len(NAMED) >= 60
    assert [each for each in NAMED if not fnmatch.filter(existing, each)] == []


def test_every_compliance_test_is_listed() -> None:
    files = sorted((ROOT / "tests/compliance").glob("test_*.py"))
    existing = set().union(*(names_in(each) for each in files))
    listed = {name for each in NAMED for name in fnmatch.filter(existing, each)}

    assert len(existing) >= 60
    assert existing - listed == set()
