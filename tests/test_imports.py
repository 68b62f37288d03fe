"""Modules that are imported at each start: nothing large before it is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

LARGE = (
    *(
        "PIL",
        "cv2",
        "huggingface_hub",
        "jinja2",
        "numpy",
        "pydantic",
        "rich",
        "ruamel",
        "safetensors",
        "scipy",
    ),
    *("timm", "torch", "torchvision"),
)
LAZY = (
    "huggingface_hub",
    "jinja2",
    "scipy.optimize",
    "scipy.special",
    "timm",
    "torchvision",
    "torch._dynamo",
)


def loaded(code: str, *names: str) -> list[str]:
    """The names of modules that are loaded after some code, in a process of its own."""
    report = f"import sys; sys.stderr.write(' '.join(name for name in {names} if name in sys.modules))"
    command = [sys.executable, "-c", f"{code}\n{report}"]
    result = subprocess.run(command, capture_output=True, check=True, text=True)
    return result.stderr.split()


@pytest.mark.parametrize(
    "code",
    [
        "import quba_check",
        "import quba_check.pytest_plugin.plugin",
        "from quba_check.cli.main import main; main(['--help'])",
        "from quba_check.cli.main import main; main(['what-if', '--help'])",
        "from quba_check.cli.main import main; main(['rank', '--help'])",
    ],
)
def test_light_starts_load_nothing_large(code: str) -> None:
    assert loaded(code, *LARGE) == []


def test_the_python_api_loads_what_a_plain_model_needs() -> None:
    assert loaded("import quba_check.evaluation", "torch", *LAZY) == ["torch"]


@pytest.mark.parametrize("words", [["rank"], ["show", "EVA02-b-21k"], ["study"], ["population", "--help"]])
def test_commands_on_stored_values_load_no_model_library(words: list[str]) -> None:
    code = f"from quba_check.cli.main import main; main({words})"
    assert loaded(code, "cv2", "timm", "torch", "torchvision") == []


def test_pytest_without_a_model_loads_almost_nothing(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "import json, pathlib, sys\n"
        "def pytest_unconfigure():\n"
        "    ours = {name: type(module.__loader__).__name__ for name, module in sys.modules.items()\n"
        "            if name.startswith('quba_check.')}\n"
        f"    large = [name for name in {LARGE} if name in sys.modules]\n"
        "    pathlib.Path('modules.json').write_text(json.dumps([ours, large]))\n"
    )
    pytester.makepyfile("def test_nothing():\n    pass\n")
    pytester.runpytest_subprocess("-p", "no:hypothesispytest").assert_outcomes(passed=1)
    ours, large = json.loads(Path("modules.json").read_text(encoding="utf-8"))
    assert large == []
    assert len(ours) <= 24
    # Bytecode of an installation is used as it is: pytest rewrites no assertions of this package.
    assert ours["quba_check.gate.named_files"] == "SourceFileLoader"
