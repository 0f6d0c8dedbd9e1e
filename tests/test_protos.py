"""The .proto files: a contract that builds by itself and ships with the package."""

import importlib.resources
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

from google.protobuf import descriptor_pb2
from google.rpc import status_pb2

ROOT = Path(__file__).parent.parent
PROTO = ROOT / "proto"
BUF = Path(sysconfig.get_path("scripts")) / "buf"


def contract() -> set[str]:
    return {str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto")}


def test_the_folder_builds_alone(tmp_path: Path) -> None:
    """With nothing around it, as a client in another language has it."""
    alone = shutil.copytree(PROTO, tmp_path / "proto")
    image = tmp_path / "image.binpb"

    subprocess.run([BUF, "build", alone, "-o", image], check=True, timeout=60)

    files = descriptor_pb2.FileDescriptorSet.FromString(image.read_bytes()).file
    built = {each.name: each for each in files}
    assert contract() <= set(built)
    # Python has the message from googleapis-common-protos: it must be the same.
    (status,) = built["google/rpc/status.proto"].message_type
    assert [(each.name, each.number, each.type) for each in status.field] == [
        (each.name, each.number, each.type)
        for each in status_pb2.Status.DESCRIPTOR.fields
    ]


def test_the_package_has_the_contract() -> None:
    found = importlib.resources.files("router").joinpath("proto")

    for name in contract():
        assert found.joinpath(name).read_text() == (PROTO / name).read_text()


def test_a_wheel_has_the_contract(tmp_path: Path) -> None:
    """Under `router/`: a top-level `proto` would replace the package proto-plus."""
    # Setuptools writes into the folder that it builds.
    source = tmp_path / "source"
    source.mkdir()
    for name in ("router", "availability", "proto"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)

    command = [sys.executable, "-m", "pip", "wheel", str(source), "--no-deps"]
    quiet = ["--quiet", "--no-index", "--no-build-isolation", f"--wheel-dir={tmp_path}"]
    subprocess.run([*command, *quiet], check=True, timeout=100)

    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {f"router/proto/{each}" for each in contract()} <= names
    assert {each.split("/")[0] for each in names if ".dist-info" not in each} == {
        "router",
        "availability",
    }
