"""docs/architecture.md has every room, and every file that it names exists."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/architecture.md").read_text()
PACKAGES = ("availability", "router")


def listed_rooms() -> set[str]:
    """Return the folders of the page's tree, two spaces of indent a level."""
    tree = TEXT.partition("## The rooms")[2].split("```")[1]
    rooms, parents = set(), list[str]()
    for indent, name in re.findall(r"^( *)(\S+)/ ", tree, re.MULTILINE):
        parents[len(indent) // 2 :] = [name]
        rooms.add("/".join(parents))
    return {each for each in rooms if each.startswith(PACKAGES)}


def test_every_room_is_listed() -> None:
    found = [each for name in PACKAGES for each in (ROOT / name).rglob("__init__.py")]

    assert len(found) >= 40
    assert listed_rooms() == {str(each.parent.relative_to(ROOT)) for each in found}


def test_every_path_exists() -> None:
    paths = set(re.findall(r"`((?:\w+/)+(?:\w+\.\w+)?)`", TEXT))
    roots = ("availability/", "docs/", "proto/", "router/", "tests/")
    full = {each for each in paths if each.startswith(roots)}

    assert len(full) >= 40
    assert {each for each in full if not (ROOT / each).exists()} == set()
