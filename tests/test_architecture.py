"""Who may import whom; see docs/architecture.md.

Two dictionaries say it: `MAY_IMPORT` for modules of ours, `OWNERS` for libraries.
A module goes by the longest name in them that it begins with. Everything is read
from the source with `ast`; nothing is imported.
"""

import ast
import functools
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("availability", "router")
GENERATED = ("availability.v1", "router.v1")

STOCK_NOUNS = (
    "availability.model",
    "availability.errors",
    "availability.reservations",
    "availability.stock_grid",
)
NOUNS = (*STOCK_NOUNS, "router.model", "router.errors")

CORE = (
    *STOCK_NOUNS,
    "availability.positions",
    "availability.setup",
    "availability.offers",
)
"""The pure core of availability: values and formulas, no files, no database."""


class Rule(NamedTuple):
    """Prefixes of modules of ours that may be imported, and exceptions from them."""

    may: tuple[str, ...]
    never: tuple[str, ...] = ()


MAY_IMPORT = {
    # --- availability
    "availability.model": Rule(()),
    "availability.errors": Rule(()),
    "availability.reservations": Rule(("availability.model",)),
    "availability.stock_grid": Rule(("availability.model",)),
    "availability.positions": Rule((*STOCK_NOUNS, "availability.setup")),
    "availability.setup": Rule((*STOCK_NOUNS, "availability.setup")),
    "availability.offers": Rule(CORE),
    "availability.stock_view": Rule(CORE),
    "availability.memory_stock": Rule((*CORE, "availability.stock_view")),
    "availability.feeds": Rule(
        (
            *CORE,
            "availability.feeds",
            "availability.imports.csv_rows",
            "availability.imports.fields",
        )
    ),
    "availability.imports": Rule((*CORE, "availability.imports")),
    # The ledger knows no formula: it keeps what the formulas read.
    "availability.ledger": Rule(
        (
            *STOCK_NOUNS,
            "availability.positions",
            "availability.setup",
            "availability.stock_view",
            "availability.ledger",
        )
    ),
    # --- router
    "router.model": Rule(STOCK_NOUNS),
    "router.errors": Rule(STOCK_NOUNS),
    "router.policies": Rule(NOUNS),
    "router.optimize": Rule((*NOUNS, "router.identity_cache", "router.optimize")),
    # The domain: all of router that has no rule of its own. No wire, no database.
    "router": Rule(
        (
            *NOUNS,
            *CORE,
            "availability.memory_stock",
            "availability.stock_view",
            "router",
        ),
        never=("router.cli", "router.rpc", "router.v1"),
    ),
    # Wire <-> model, and nothing else.
    "router.rpc.codec": Rule(
        (
            *NOUNS,
            *CORE,
            *GENERATED,
            "router.amending.rejection",
            "router.identity_cache",
            "router.line_units",
            "router.policies",
            "router.report",
            "router.rerouting",
            "router.rpc.codec",
            "router.stored_plans",
            "router.validation",
        )
    ),
    "router.rpc.transport": Rule(
        (
            *NOUNS,
            *GENERATED,
            "availability.ledger.protocol",
            "router.rpc.transport",
        )
    ),
    "router.rpc": Rule(PACKAGES, never=("router.cli",)),
    "router.cli": Rule(PACKAGES),
    **dict.fromkeys(GENERATED, Rule(GENERATED)),
}

EVERYBODY = ("",)
WIRE = ("router.rpc", "router.cli", *GENERATED)
CONSOLE = ("router.cli",)
DATABASE = ("availability.ledger.sqlite", "availability.ledger.postgres")

OWNERS = {
    "alembic": ("availability.ledger.migrations",),
    "asyncio": ("router.rpc", "router.cli", *GENERATED),
    "google": WIRE,
    "grpc": WIRE,
    "grpc_health": WIRE,
    "grpc_reflection": WIRE,
    "grpc_status": WIRE,
    "jinja2": ("router.report.page",),
    "markupsafe": ("router.report.page",),
    "matplotlib": ("router.report.pictures",),
    "numpy": EVERYBODY,
    "ortools": ("router.optimize",),
    "prometheus_client": (
        "router.rpc.transport.metrics",
        "router.rpc.transport.exporter",
    ),
    "psycopg": DATABASE,
    "psycopg_pool": DATABASE,
    "pydantic": ("availability.setup.json_items", "router.report.model"),
    "pysqlite3": DATABASE,
    "ray": ("router.optimize.batch.engines.ray_cluster",),
    "rich": CONSOLE,
    "sqlite3": (*DATABASE, "availability.imports.staging"),
    "sqlalchemy": ("availability.ledger",),
    "structlog": ("router.cli.serving.logs",),
    "trustme": (),
    "typer": CONSOLE,
}

INDEX_SPACE = "router.optimize"
"""Knows numbers of lines and locations, and none of these names."""
NAMES_OF_THINGS = {
    "Assignment",
    "Location",
    "LocationId",
    "Network",
    "Order",
    "OrderLine",
    "RoutingPlan",
    "RoutingPolicy",
    "Sku",
    "StockGrid",
}

WORKS_AT_IMPORT = {
    "availability.ledger.migrations.env": "alembic runs it",
    "availability.ledger.postgres.database": "looks for its driver, which is an extra",
    "router.cli": "registers its commands",
    "router.optimize.batch.engines.ray_cluster": "looks for Ray, which is an extra",
    "router.cli.__main__": "is there to be run",
}
DEFINITIONS = (
    ast.AnnAssign,
    ast.Assign,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.FunctionDef,
    ast.Import,
    ast.ImportFrom,
)
WORK = {"exec", "getenv", "input", "now", "open", "print", "read_bytes", "read_text",
        "run", "sleep", "time", "today", "urandom"}  # fmt: skip
"""Functions that have no place in a constant."""


class Source(NamedTuple):
    """A module's name and what is in it."""

    name: str
    tree: ast.Module

    @classmethod
    def of(cls, name: str, text: str) -> "Source":
        return cls(name, ast.parse(text))


@functools.cache
def sources() -> list[Source]:
    """Read once, and when a test asks: collecting tests is done by every worker."""
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found.append(Source.of(name.removesuffix(".__init__"), path.read_text()))
    return found


@functools.cache
def modules() -> set[str]:
    return {source.name for source in sources()}


def breaches(sources: Iterable[Source]) -> list[str]:
    """Return everything in the sources that a rule forbids."""
    found = []
    for source in sources:
        for imported, name in imports(source.tree):
            found += import_breaches(source.name, imported, name)
        if not within(source.name, GENERATED):
            found += [f"{source.name}:{at}: {what}" for at, what in habits(source)]
    return found


def imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield (module, name taken from it or "") of every import, however deep."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            for alias in node.names:
                # `from router import cli` imports router.cli.
                module = f"{node.module}.{alias.name}"
                if module in modules():
                    yield module, ""
                else:
                    yield node.module, alias.name


def import_breaches(source: str, imported: str, name: str) -> list[str]:
    top = imported.partition(".")[0]
    if top in PACKAGES:
        rule = MAY_IMPORT[longest(source, MAY_IMPORT)]
        if not within(imported, rule.may) or within(imported, rule.never):
            return [f"{source} imports {imported}"]
        if within(source, (INDEX_SPACE,)) and name in NAMES_OF_THINGS:
            return [f"{source} knows {name}"]
    elif top in OWNERS:
        if not within(source, OWNERS[top]):
            return [f"{source} imports {imported}"]
    elif top not in sys.stdlib_module_names:
        return [f"{source} imports {imported}, which nobody owns"]
    return []


def habits(source: Source) -> Iterator[tuple[int, str]]:
    """Yield (line, what) of relative and hidden imports, and of work at import."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield node.lineno, "relative import"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Import | ast.ImportFrom):
                    yield inner.lineno, "import inside a function"
    if source.name in WORKS_AT_IMPORT:
        return
    for statement in source.tree.body:
        docstring = isinstance(statement, ast.Expr) and isinstance(
            statement.value, ast.Constant
        )
        if not docstring and not isinstance(statement, DEFINITIONS):
            yield statement.lineno, "work at import"
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            for node in ast.walk(statement):
                if isinstance(node, ast.Call) and called(node) in WORK:
                    yield node.lineno, f"work at import: {called(node)}"


def called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def within(module: str, prefixes: Iterable[str]) -> bool:
    return any(
        prefix == "" or module == prefix or module.startswith(f"{prefix}.")
        for prefix in prefixes
    )


def longest(module: str, prefixes: Iterable[str]) -> str:
    """Return the longest prefix; a module under none has no rule yet: say one."""
    return max((each for each in prefixes if within(module, (each,))), key=len)


# --- The rules are kept -----------------------------------------------------------


def test_everything_keeps_the_rules() -> None:
    assert breaches(sources()) == []


def test_there_is_something_to_look_at() -> None:
    """A walk that finds no files keeps every rule."""
    assert {
        "availability.model",
        "router.pipeline",
        "router.optimize.cpsat.solve",
    } <= modules()
    found = {module for source in sources() for module, _ in imports(source.tree)}
    assert {"ortools.sat.python", "grpc", "pysqlite3", "router.model"} <= found


@pytest.mark.parametrize("name", sorted({*MAY_IMPORT, *WORKS_AT_IMPORT}))
def test_no_rule_has_outlived_its_module(name: str) -> None:
    assert name in modules()


def class_names(sources: Iterable[Source]) -> Iterator[tuple[str, str]]:
    """Yield (class, module) of every class of ours; generated code has its own."""
    for source in sources:
        if within(source.name, GENERATED):
            continue
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef):
                yield node.name, source.name


def defined_twice(sources: Iterable[Source]) -> dict[str, list[str]]:
    homes: dict[str, list[str]] = {}
    for name, module in class_names(sources):
        homes.setdefault(name, []).append(module)
    return {name: found for name, found in homes.items() if len(found) > 1}


def test_one_type_name_means_one_thing() -> None:
    """A reader who searches for a name finds the one thing that it stands for."""
    assert defined_twice(sources()) == {}


def test_a_name_that_means_two_things_is_found() -> None:
    pair = [
        Source.of("router.model", "class Step:\n    pass"),
        Source.of("router.replay", "def f():\n    class Step:\n        pass"),
    ]

    assert defined_twice(pair) == {"Step": ["router.model", "router.replay"]}


# --- and they can be broken -------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("availability.model", "from availability.errors import Violation"),
        ("availability.ledger.statements.audit", "from router.model import Order"),
        ("availability.ledger.statements.audit", "import pysqlite3"),
        ("availability.stock_view", "from availability.ledger import protocol"),
        (
            "availability.offers.explain",
            "from availability.stock_view import StockView",
        ),
        ("availability.offers.explain", "import grpc"),
        ("router.model", "import router.errors"),
        ("router.model", "import grpc"),
        ("router.policies", "from router.validation.shape import MAX_VIOLATIONS"),
        ("router.planning.assemble", "from ortools.sat.python import cp_model"),
        ("router.planning.assemble", "import asyncio"),
        ("router.planning.assemble", "from router.v1 import plan_pb2"),
        ("router.planning.assemble", "from router import cli"),
        ("router.planning.assemble", "from router.rpc.codec.order import decode_order"),
        ("router.planning.assemble", "from availability.ledger.protocol import Ledger"),
        ("router.new_module", "from availability.ledger import open"),
        ("router.pipeline", "import rich.console"),
        ("router.optimize.walk", "from router.planning.build import Built"),
        ("router.optimize.walk", "from availability.model import IntArray, Sku"),
        ("router.rpc.codec.plan", "from router.pipeline import Router"),
        ("router.rpc.server", "from router import cli"),
        ("router.rpc.server", "import typer"),
        ("router.planning.assemble", "import pandas"),
        ("router.planning.assemble", "from .model import Order"),
        ("router.planning.assemble", "def f():\n    import json"),
        ("router.planning.assemble", "async def f():\n    from json import loads"),
        ("router.planning.assemble", "class A:\n    def f(self):\n        import json"),
        ("router.planning.assemble", "print('hello')"),
        ("router.planning.assemble", "for n in range(3):\n    pass"),
        ("router.planning.assemble", "if True:\n    import json"),
        ("router.planning.assemble", "TEXT = open('x').read()"),
        ("router.planning.assemble", "STARTED: float = time.time()"),
    ],
)
def test_a_bad_sample_is_caught(name: str, text: str) -> None:
    assert len(breaches([Source.of(name, text)])) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "router.planning.assemble",
            '"""Words."""\nimport json\nfrom router.model import Order',
        ),
        (
            "router.planning.assemble",
            "class A:\n    '''Words.'''\n    def f(self): return open('x')",
        ),
        (
            "router.planning.assemble",
            "PATTERN = re.compile('x')\n'''Words after a constant.'''",
        ),
        ("router.optimize.walk", "from availability.model import IntArray"),
        (
            "router.cli.routing.route",
            "from router import pipeline\nimport rich, typer, grpc",
        ),
        ("availability.ledger.postgres.session", "import psycopg"),
        ("router.v1.plan_pb2_grpc", "import grpc\nfrom router.v1 import plan_pb2"),
        ("router.v1.order_pb2", "from availability.v1 import location_pb2\nf()"),
    ],
)
def test_a_good_sample_is_not(name: str, text: str) -> None:
    assert breaches([Source.of(name, text)]) == []


def test_a_module_without_a_rule_is_loud() -> None:
    with pytest.raises(ValueError, match="empty"):
        breaches([Source.of("availability.nowhere", "import router.model")])
