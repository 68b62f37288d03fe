"""Imports go downwards only, and what must stay light loads no torch."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import quba_check

PACKAGE = Path(quba_check.__file__).parent
GROUND = {"errors", "figures", "user_files", "packed_arrays", "protocol", "metrics"}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "figures": set(),
    "user_files": {"errors"},
    "packed_arrays": set(),
    "strict_yaml": {"errors", "user_files"},
    "protocol": {"errors", "figures"},
    "metrics": {"errors"},
    "comparison": GROUND,
    "dimensions": GROUND,
    "demands": {*GROUND, "dimensions", "strict_yaml"},
    "grading": {*GROUND, "dimensions"},
    "gate": {*GROUND, "dimensions", "demands"},
    "held": {*GROUND, "comparison", "dimensions", "demands", "grading"},
    "reports": GROUND,
    "suites": {*GROUND, "strict_yaml", "demo"},
    "demo": GROUND,
    "models": {*GROUND, "strict_yaml", "demo"},
    "engine": {*GROUND, "suites", "models"},
    "environment": GROUND,
    "evaluation": {
        *GROUND,
        "comparison",
        "environment",
        "dimensions",
        "grading",
        "suites",
        "models",
        "engine",
        "demo",
    },
    "doctor": {*GROUND, "dimensions", "suites", "models", "engine", "demo", "evaluation"},
    "perturbations": {*GROUND, "suites"},
    "synthetic": {*GROUND, "perturbations", "suites"},
    "strategies": {*GROUND, "perturbations", "synthetic", "suites"},
    "rates": {*GROUND, "perturbations", "suites", "evaluation"},
    "tuning": {*GROUND, "comparison", "dimensions", "demands", "gate", "grading", "held", "strict_yaml"},
    "options": GROUND,
    "threshold_paths": {*GROUND, "demands"},
}
NO_PYTEST = {
    "run",
    "judging",
    "row",
    "ledger",
    "cli",
    "checkup",
    "commands",
    "early_stop",
}
SCRIPTS = {"demo.training", "demo.variants"}  # make what the demo ships, with the whole product
PYTEST_SIDE = {"plugin", "pytest_options", "boundary", "items", "controller", "consultation", "progress_line"}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield ".".join(path.relative_to(PACKAGE).with_suffix("").parts), path


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "quba_check":
                yield from (f"quba_check.{alias.name}" for alias in node.names)
            else:
                yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize(
    ("name", "path"), list(modules()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_imports_go_downwards(name: str, path: Path) -> None:
    folder = name.partition(".")[0]
    ours = {module.split(".")[1] for module in imported(path) if module.startswith("quba_check.")}
    if folder in MAY_IMPORT and name not in SCRIPTS:
        assert ours <= MAY_IMPORT[folder] | {folder}, f"{name} must not import {ours - MAY_IMPORT[folder]}"
    if folder in NO_PYTEST or folder in MAY_IMPORT:
        assert not ours & PYTEST_SIDE
        assert "pytest" not in set(imported(path))


def test_the_table_names_every_folder_and_module() -> None:
    text = (Path(__file__).parents[1] / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = {
        name
        for row in text.splitlines()
        if row.startswith("| `")
        for name in re.findall("`([^`]+)`", row.split("|")[1])
    }
    modules_and_folders = {path.name for path in PACKAGE.glob("[!_]*.py")} | {
        f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")
    }
    assert named == modules_and_folders


@pytest.mark.parametrize(
    "name", ["quba_check", "quba_check.plugin", "quba_check.cli", "quba_check.run", "quba_check.suites.suite"]
)
def test_it_loads_no_torch(name: str) -> None:
    code = f"import {name}, sys; sys.exit('torch' in sys.modules or 'timm' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_help_loads_no_torch(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "import sys\ndef pytest_unconfigure():\n    print('torch loaded:', 'torch' in sys.modules)\n"
    )
    result = pytester.runpytest_subprocess("--help")
    result.stdout.fnmatch_lines(["*--model=SPEC*", "torch loaded: False"])
