"""Generate and check the Python that comes from `proto/`.

    python tools/protos.py generate   write router/v1 and availability/v1
    python tools/protos.py check      fail if the committed code is not what
                                      `generate` would write

protoc runs in a child process: imported after a CP-SAT solve it aborts Python.
"""

import filecmp
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sysconfig.get_path("scripts"))
OURS = ("availability/v1", "router/v1")


def protos() -> list[str]:
    """Return our .proto files, relative to `proto/`.

    Not `google/`: its Python comes from googleapis-common-protos.
    """
    found = (ROOT / "proto").glob("*/v1/*.proto")
    return sorted(str(path.relative_to(ROOT / "proto")) for path in found)


def protoc(*arguments: str) -> None:
    """Run the pinned protoc on all of our files."""
    plugins = [
        f"--plugin=protoc-gen-mypy={BIN / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={BIN / 'protoc-gen-mypy_grpc'}",
    ]
    command = [sys.executable, "-m", "grpc_tools.protoc", "-Iproto"]
    subprocess.run([*command, *plugins, *arguments, *protos()], cwd=ROOT, check=True)


def generate(target: Path) -> None:
    """Write the Python of every message and service below `target`."""
    protoc(
        f"--python_out={target}",
        f"--grpc_python_out={target}",
        f"--mypy_out=quiet:{target}",
        f"--mypy_grpc_out=quiet:{target}",
    )
    for package in OURS:
        (target / package / "__init__.py").write_text(
            '"""Generated from proto/; do not edit. `make proto` writes it."""\n'
        )
        # A file that declares no service gets an empty stub file: noise.
        for stub in (target / package).glob("*_pb2_grpc.py*"):
            if "Servicer_to_server" not in stub.read_text():
                stub.unlink()


def check() -> int:
    """Compare the committed code with freshly generated code."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        for package in OURS:
            (fresh / package).mkdir(parents=True)
        generate(fresh)
        stale = []
        for package in OURS:
            wanted = {path.name for path in (fresh / package).iterdir()}
            present = {p.name for p in (ROOT / package).iterdir() if p.is_file()}
            same, _, _ = filecmp.cmpfiles(
                fresh / package, ROOT / package, wanted, shallow=False
            )
            differing = (wanted | present) - set(same)
            stale += [f"{package}/{name}" for name in sorted(differing)]
    if stale:
        print("not what `make proto` writes:", *stale, sep="\n  ")
        return 1
    return 0


def main(verb: str) -> int:
    """Run one of the verbs above."""
    match verb:
        case "generate":
            generate(ROOT)
            return 0
        case "check":
            return check()
        case _:
            print(__doc__)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
