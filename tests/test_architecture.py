"""The arrows between the rooms: who may import whom."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = {
    "sim": set(),
    "hdl": {"sim"},
    "costmodel": {"sim", "hdl"},
    "workloads": {"sim"},
    "reports": {"sim", "hdl", "costmodel", "workloads"},
    "shiftwise": {"sim", "hdl", "costmodel", "workloads", "reports"},
    "benchmarks": {"sim", "hdl", "costmodel", "workloads", "reports", "shiftwise"},
}
FOREIGN_TO_SIM = {"torch", "transformers", "pandas", "amaranth", "cocotb"}
FILES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def imported_packages(source: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name their package"
            found.add((node.module or "").partition(".")[0])
    return found


def wrong_imports(path: str, source: str) -> set[str]:
    room, packages = path.partition("/")[0], imported_packages(source)
    foreign = packages & FOREIGN_TO_SIM if room == "sim" else set()
    return (packages & ROOMS.keys()) - ROOMS[room] - {room} | foreign


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    assert wrong_imports(path.relative_to(ROOT).as_posix(), path.read_text()) == set()


@pytest.mark.parametrize(
    ("path", "source", "wrong"),
    [
        ("sim/pe/shift_add.py", "import torch", {"torch"}),
        ("sim/kernels/product.py", "import torch\nimport pandas", {"torch", "pandas"}),
        ("sim/trace.py", "def f():\n    from costmodel.energy import x", {"costmodel"}),
        ("reports/page.py", "import shiftwise.cli", {"shiftwise"}),
    ],
)
def test_planted_import_is_found(path: str, source: str, wrong: set[str]) -> None:
    assert wrong_imports(path, source) == wrong


def test_every_package_is_installed() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    there = {".".join(path.parent.relative_to(ROOT).parts) for path in FILES if path.name == "__init__.py"}
    assert {package for package in there if package.partition(".")[0] != "benchmarks"} == set(listed)


def test_every_pe_has_its_file_and_its_hardware() -> None:
    from hdl.pe import PES as HARDWARE
    from sim.pe import PES as MODELS

    assert HARDWARE.keys() == MODELS.keys()
    for name in MODELS:
        assert (ROOT / "sim" / "pe" / f"{name}.py").is_file()
        shares_the_product_of_fields = name in ("shift_add_float", "minifloat", "mixed")
        assert (ROOT / "hdl" / "pe" / f"{name}.py").is_file() == (not shares_the_product_of_fields)


JUDGE = sorted((ROOT / "sim" / "reference").glob("*.py"))


@pytest.mark.parametrize("path", JUDGE, ids=lambda p: p.name)
def test_the_judge_shares_no_code(path: Path) -> None:
    modules = {
        node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom) and node.module
    }
    assert {m for m in modules if m.startswith("sim")} <= {f"sim.reference.{other.stem}" for other in JUDGE}
    assert imported_packages(path.read_text()) <= {"sim", "collections", "fractions", "math", "re"}
