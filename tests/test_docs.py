"""Every file that the docs name exists, and docs/architecture.md has every room."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("availability", "router")
FOLDERS = (*PACKAGES, "benchmarks", "docs", "examples", "proto", "tests", "tools")
NAMED = re.compile(rf"(?<![\w/.:])(?:{'|'.join(FOLDERS)})/(?:\w+/)*(?:[\w-]+\.\w+)?")


def pages() -> list[str]:
    """Return README.md and every page of docs, relative to the root."""
    found = [ROOT / "README.md", ROOT / "benchmarks/README.md"]
    found += sorted((ROOT / "docs").rglob("*.md"))
    return [str(each.relative_to(ROOT)) for each in found]


@pytest.mark.parametrize("page", pages())
def test_every_path_exists(page: str) -> None:
    named = set(NAMED.findall((ROOT / page).read_text()))

    assert {each for each in named if not (ROOT / each).exists()} == set()


def test_paths_are_found() -> None:
    text = (
        "`router/rpc/` (`docs/model.md`), tests/faults/test_gone.py; availability/x_y"
    )

    assert NAMED.findall(text)[:2] == ["router/rpc/", "docs/model.md"]
    assert "tests/faults/test_gone.py" in NAMED.findall(text)


def listed_rooms() -> set[str]:
    """Return the folders of the tree in docs/architecture.md, nested by indent."""
    text = (ROOT / "docs/architecture.md").read_text()
    tree = text.partition("## The rooms")[2].split("```")[1]
    rooms, parents = set(), list[str]()
    for indent, name in re.findall(r"^( *)(\S+)/ ", tree, re.MULTILINE):
        parents[len(indent) // 2 :] = [name]
        rooms.add("/".join(parents))
    return {each for each in rooms if each.startswith(PACKAGES)}


def test_every_room_is_listed() -> None:
    found = [each for name in PACKAGES for each in (ROOT / name).rglob("__init__.py")]

    assert len(found) >= 40
    assert listed_rooms() == {str(each.parent.relative_to(ROOT)) for each in found}
