"""`repartir reroute --verify`: checks a saved run without a server or solver."""

import importlib
import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from router.cli.console.exits import SOME_FAILED, fail
from router.cli.rerouting.report import PROVENANCES
from router.cli.routing.orders_file import one_line
from router.optimize.batch.proof.claim import CertificateError, LevelValue
from router.report.words import gap_text

MAX_FILE_BYTES = 2**28
"""Largest file, compressed: one of 100,000 orders has a few MiB."""
MAX_MEMORY_BYTES = 6 * 2**30
"""Most memory for a check, whatever the file contains."""
_PAGE_BYTES = resource.getpagesize()


def print_verified(path: Path, *, as_json: bool) -> None:
    """Print the value of each level; end the command if the run does not hold."""
    data = _read(path)
    # It imports the solvers, which takes a second that other commands need not pay.
    module = importlib.import_module("router.optimize.batch.proof.saved")
    try:
        with _memory_bounded(MAX_MEMORY_BYTES):
            saved = module.Saved.from_bytes(data)
            levels = saved.verify()
    except MemoryError:
        most = MAX_MEMORY_BYTES // 2**30
        raise _refused(path, f"checking it needs more than {most} GiB") from None
    except CertificateError as error:
        raise _refused(path, str(error)) from None
    except (ValueError, TypeError, LookupError, ArithmeticError) as error:
        raise _refused(path, f"not a saved run: {error}") from None
    problem = saved.problem
    skus, locations = problem.stock.shape
    if as_json:
        result = {
            "holds": True,
            "orders": problem.orders,
            "lines": len(problem.sku),
            "skus": skus,
            "locations": locations,
            "shipment_weight": problem.shipment_weight,
            "levels": [each._asdict() for each in levels],
        }
        print(json.dumps(result))
        return
    console = Console(highlight=False)
    console.print(
        f"{path} holds: {problem.orders:,} orders, {len(problem.sku):,} lines, "
        f"{skus:,} SKUs, {locations:,} locations",
        markup=False,
        soft_wrap=True,
    )
    console.print(_table(levels, ascii_only=console.options.ascii_only))
    if problem.shipment_weight > 1:
        console.print(f"One shipment weighs {problem.shipment_weight:,}.")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise fail(f"--verify {path}: cannot be read: {error.strerror}") from None
    if len(data) > MAX_FILE_BYTES:
        raise _refused(path, f"longer than {MAX_FILE_BYTES:,} bytes")
    return data


def _refused(path: Path, why: str) -> Exception:
    return fail(f"--verify {path}: does not hold: {one_line(why)}", status=SOME_FAILED)


def _table(levels: tuple[LevelValue, ...], *, ascii_only: bool) -> Table:
    table = Table(box=box.ASCII if ascii_only else box.ROUNDED, border_style="dim")
    table.add_column("level")
    for name in ("value", "bound", "gap"):
        table.add_column(name, justify="right")
    table.add_column("bound from", overflow="fold")
    for each in levels:
        gap = gap_text(each.value, each.bound)
        known = PROVENANCES.get(each.provenance, each.provenance)
        name = each.level.replace("_", " ")
        row = (name, f"{each.value:,}", f"{each.bound:,}", gap or "-", known)
        table.add_row(*map(Text, row))
    return table


@contextmanager
def _memory_bounded(more_bytes: int) -> Iterator[None]:
    """Limit further memory of this process; beyond it is a MemoryError."""
    used_bytes = int(Path("/proc/self/statm").read_text().split()[0]) * _PAGE_BYTES
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limits = [used_bytes + more_bytes]
    limits += [each for each in (soft, hard) if each != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
