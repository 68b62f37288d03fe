"""Modules that are imported at each start: nothing large before it is needed."""

import json
import re
import subprocess
import sys
from importlib.metadata import packages_distributions, requires
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from PIL import Image
from support.onnx_files import colours, mean_of_colours
from support.sample_records import write_samples

LARGE = (
    "PIL", "cv2", "huggingface_hub", "jinja2", "numpy", "pydantic", "rich", "ruamel", "safetensors", "scipy",
    "timm", "torch", "torchvision",
)  # fmt: skip
LAZY = (
    "huggingface_hub", "jinja2", "scipy.optimize", "scipy.special", "timm", "torchvision", "torch._dynamo",
)  # fmt: skip
PLAIN = {
    *(
        "core",
        "core.protocols",
        "demo",
        "errors",
        "executors",
        "executors.choice",
        "gate",
        "gate.options",
        "messages",
    ),
    *(
        "models",
        "models.choices",
        "models.kinds",
        "models.specs",
        "pytest_plugin",
        "pytest_plugin.options",
        "pytest_plugin.plugin",
        "storage",
    ),
    "storage.user_files",
}
"""Modules of this package in runs without a model: those that add options, and the packages above them."""
LIGHT_JOBS = """\
verdict demo.json
verdict demo.json --thresholds demands.yaml
lint demands.yaml --images 100
lint demands.yaml --record demo.json
compare demo.json textured.json
report demo.json --to text
report demo.json --to markdown
report demo.json --to github
report demo.json --to csv
failures textured.json
tune demo.json --output tuned.yaml
what-if demo.json demands.yaml
approve demo.json --name release --by me
compare baselines/release
attest demo.json --output statement.json
schema thresholds
"""
"""Commands of jobs that measure no model."""


def loaded(code: str, *names: str) -> list[str]:
    """The names of modules that are loaded after some code, in a process of its own."""
    report = f"import sys; sys.stderr.write(' '.join(name for name in {names} if name in sys.modules))"
    command = [sys.executable, "-c", f"{code}\n{report}"]
    result = subprocess.run(command, capture_output=True, check=True, text=True)
    return result.stderr.split()


def test_light_starts_load_nothing_large() -> None:
    code = "import quba_check, quba_check.pytest_plugin.plugin\nfrom quba_check.cli.main import main\n"
    assert loaded(f"{code}main(['--help'])\nmain(['published', '--help'])", *LARGE) == []


def test_the_python_api_loads_what_a_plain_model_needs() -> None:
    assert loaded("import quba_check.evaluation", "torch", *LAZY) == ["torch"]


def test_photos_the_doctor_and_models_of_no_timm_architecture_load_no_timm(tmp_path: Path) -> None:
    """A demo model, a program of torch.jit and an ONNX file, one after another in a process."""
    models = [("demo", "CLASSES"), (str(tmp_path / "model.pt"), "('red', 'green', 'blue')")]
    torch.jit.trace(colours(), torch.zeros(2, 3, 8, 8)).save(tmp_path / "model.pt")
    if find_spec("onnxruntime"):
        mean_of_colours(tmp_path / "model.onnx")
        models.append((str(tmp_path / "model.onnx"), "('red', 'green', 'blue')"))
    Image.new("RGB", (8, 8)).save(tmp_path / "photo.jpg")
    lines = [
        "import quba_check.doctor.examination\nfrom quba_check.demo import CLASSES\n"
        "from PIL import Image\nfrom quba_check.models.preprocessing.fast import rgb_pixels\n"
        f"rgb_pixels(Image.open({str(tmp_path / 'photo.jpg')!r}))\n"
        "from quba_check.models.loading import load_classifier\n"
        "from quba_check.models.request import LoadRequest"
    ]
    for model, classes in models:
        lines.append(
            f"load_classifier({model!r}, LoadRequest(classes={classes}, image_size=8, device='cpu'))"
        )
    names = (
        "huggingface_hub",
        "pandas",
        "scipy.sparse",
        "scipy.stats",
        "timm",
        "torch._dynamo",
        "torchvision",
    )
    assert loaded("\n".join(lines), *names) == []


def test_modules_of_a_run_and_commands_on_stored_values_load_no_model_library() -> None:
    names = ("gate.session", "models.parsing", "models.request", "suites.suite")
    commands = (
        ["published", "rank"],
        ["published", "show", "EVA02-b-21k"],
        ["published", "study"],
        ["published", "recommend", "mobile"],
        ["published", "population", "--help"],
        ["report", "--help"],
    )
    code = "from quba_check.cli.main import main\n"
    code += "\n".join(f"import quba_check.{name}" for name in names)
    code += "".join(f"\nmain({words})" for words in commands)
    assert loaded(code, "cv2", "timm", "torch", "torchvision") == []


def test_a_missing_model_is_reported_before_torch_is_loaded(tmp_path: Path) -> None:
    code = f"import os, pytest\nos.chdir({str(tmp_path)!r})\nfrom quba_check.cli.main import main\n"
    code += "assert main(['doctor', '--model=nope.pt']) == pytest.main(['--model=nope.pt']) == 4"
    lines = loaded(code, "cv2", "timm", "torch", "torchvision")
    assert lines == 2 * f"ERROR: nope.pt: no such file in {tmp_path}.".split()


@pytest.mark.parametrize("arguments", [(), ("--model=nope.pt",)])
def test_pytest_without_a_model_loads_only_what_adds_options(
    pytester: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    pytester.makeconftest(
        "import json, pathlib, sys\n"
        "def pytest_unconfigure():\n"
        "    ours = {name: type(module.__loader__).__name__ for name, module in sys.modules.items()\n"
        "            if name.startswith('quba_check.')}\n"
        f"    large = [name for name in {LARGE} if name in sys.modules]\n"
        "    finders = [getattr(finder, '__name__', '') for finder in sys.meta_path]\n"
        "    pathlib.Path('modules.json').write_text(json.dumps([ours, large, finders]))\n"
    )
    pytester.makepyfile("def test_nothing():\n    pass\n")
    result = pytester.runpytest_subprocess("-p", "no:hypothesispytest", *arguments)
    ours, large, finders = json.loads(Path("modules.json").read_text(encoding="utf-8"))
    # pytest rewrites no assertions of this package in runs with a model: bytecode is used as it is.
    assert ("_PlainFinder" in finders) == bool(arguments)
    if arguments:
        assert ours["quba_check.gate.named_files"] == "SourceFileLoader"
        return
    result.assert_outcomes(passed=1)
    assert large == []
    assert {name.removeprefix("quba_check.") for name in ours} == PLAIN


def test_light_jobs_work_with_the_packages_that_the_page_on_ci_installs(tmp_path: Path) -> None:
    root = Path(__file__).parents[1]
    (stated,) = re.findall(r"pip install (click .*)", (root / "docs/ci.md").read_text(encoding="utf-8"))
    assert f"{stated}\n" in (root / "verdict/action.yml").read_text(encoding="utf-8")
    required = {re.split("[ ;<=>]", line)[0] for line in requires("quba-check") or () if "extra" not in line}
    blocked = required - {re.sub("[-_.]+", "-", name) for name in stated.split()}
    assert {"torch", "timm", "opencv-python-headless"} <= blocked
    modules = [
        name for name, owners in packages_distributions().items() if {*map(str.lower, owners)} & blocked
    ]
    write_samples(tmp_path)
    (tmp_path / "demands.yaml").write_text(
        "schema: 1\ndimensions: {accuracy: {min: 0.9}}\n", encoding="utf-8"
    )
    code = f"import os, sys\nos.chdir({str(tmp_path)!r})\nsys.modules.update(dict.fromkeys({modules}))\n"
    code += f"from quba_check.cli.main import main\ncommands = {LIGHT_JOBS.splitlines()}\n"
    code += "failed = [words for words in commands if main(words.split())]\n"
    code += (
        "failed += [] if main(['report', 'demo.json', '--to', 'html', '-o', 'a.html']) == 4 else ['html']\n"
    )
    code += "sys.stderr.write(f'\\n{failed}')"
    missing = "ERROR: quba-check: the module 'PIL' is not installed. Install quba-check without --no-deps."
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert result.stderr.splitlines()[-3:] == [missing, "", "[]"]
