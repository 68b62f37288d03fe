"""User code in fingerprints: each edit counts, the same in every process."""

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import timm
import torch
from support.loaded_models import load

from quba_check.demo import network
from quba_check.models.identity import user_code
from quba_check.models.identity.state import named_tensors, state_digest
from quba_check.models.identity.user_code import code_digest
from quba_check.models.loaded_module import LoadedModule
from quba_check.models.loaded_module import fingerprint as module_fingerprint

NET = """
import dataclasses, enum, functools, importlib, os, pathlib, types

import numpy as np
import torch
from torch import nn
from quba_check import NumpyModel

class Net(nn.Module):
    scale = 1

    def __init__(self, head=None):
        super().__init__()
        torch.manual_seed(0)
        self.head = head or nn.Linear(12, 10)

    def forward(self, images):
        return self.head(images.flatten(1)) * self.scale

class Thing:
    __slots__ = ("a", "b")

    def __init__(self, a, b=None):
        self.a, self.b = a, b

@dataclasses.dataclass
class Config:
    sign: int = 1

class Sign(enum.Enum):
    PLUS = 1
    MINUS = -1

def looped(value):
    loop = Thing(value)
    loop.b = [loop]
    return loop

def net():
    torch.manual_seed(0)
    value = eval(pathlib.Path("value.txt").read_text())
    model = Net()
"""
ATTRIBUTES = {
    "array": ("np.arange(3)", "np.arange(3) * 2"),
    "array of objects": ("np.array([Config(1)])", "np.array([Config(2)])"),
    "dict": ("{'a': [1, {'b': 2}]}", "{'a': [1, {'b': 3}]}"),
    "set": ("{'a', 'b', (1, 2)}", "{'a', 'c', (1, 2)}"),
    "dataclass": ("Config(1)", "Config(-1)"),
    "enum": ("Sign.PLUS", "Sign.MINUS"),
    "lambda": ("lambda x: x", "lambda x: -x"),
    "order of two calls": ("lambda x: max(min(x))", "lambda x: min(max(x))"),
    "function inside": ("lambda x: (lambda y: max(y))(x)", "lambda x: (lambda y: min(y))(x)"),
    "partial": ("functools.partial(max, 1)", "functools.partial(max, 2)"),
    "partial of a lambda": ("functools.partial(lambda x: x)", "functools.partial(lambda x: -x)"),
    "cached function": ("functools.cache(lambda x: x)", "functools.cache(lambda x: -x)"),
    "default of a lambda": ("lambda x, n=1: x * n", "lambda x, n=2: x * n"),
    "tensor of one number": ("torch.tensor(1.0)", "torch.tensor(-1.0)"),
    "tensor of integers": ("torch.arange(5)", "torch.arange(5) + 1"),
    "sparse tensor": ("torch.eye(3).to_sparse()", "torch.eye(3).to_sparse() * 2"),
    "tensor in an object": ("Thing(torch.ones(3))", "Thing(torch.zeros(3))"),
    "object in itself": ("looped(1)", "looped(2)"),
    "namespace": ("types.SimpleNamespace(a=1)", "types.SimpleNamespace(a=2)"),
    "path": ("pathlib.Path('a')", "pathlib.Path('b')"),
    "dict with a module": ("{'m': importlib.import_module('email'), 'n': 1}", "{'m': 1, 'n': 2}"),
    "dtype": ("torch.float32", "torch.float64"),
    "bytes": ("b'a'", "b'b'"),
    "module in a list": ("[nn.Linear(2, 2)]", "[nn.Linear(2, 3)]"),
}
PLACES = {
    "a private number": ("    model._hidden = value", "1", "-1"),
    "an attribute of the class": ("    Net.scale = value", "1", "-1"),
    "a method of the class": ("    Net.answer = value", "lambda x: x", "lambda x: -x"),
    "another forward": ("    model.forward = value", "lambda x: x", "lambda x: -x"),
    "a forward hook": ("    model.register_forward_hook(value)", "lambda *a: a[2]", "lambda *a: -a[2]"),
    "a pre-hook": (
        "    model.head.register_forward_pre_hook(value)",
        "lambda *a: None",
        "lambda m, a: -a[0]",
    ),
    "a closure": ("    model.forward = lambda x: x * value", "1", "-1"),
    "a method of an object": ("    model.forward = Thing.__init__.__get__(Thing(value))", "1", "2"),
    "no gradients": ("    model.forward = torch.no_grad()(value)", "lambda x: x", "lambda x: -x"),
    "the code of a program": (
        "    import warnings; warnings.simplefilter('ignore')\n"
        "    class Traced(nn.Module):\n        def forward(self, x):\n            return value(x)\n"
        "    model.inner = torch.jit.trace(Traced(), torch.ones(2))",
        "lambda x: x + 1",
        "lambda x: x - 1",
    ),
    "arrays of a function": (
        "    return NumpyModel(lambda x: x * value, files=['f'])",
        "np.ones(3)",
        "np.zeros(3)",
    ),
    "the object of a function": (
        "    return NumpyModel(Thing.__init__.__get__(Thing(value)), files=['f'])",
        "1",
        "2",
    ),
    "an object that is called": (
        "    Thing.__call__ = max\n    return NumpyModel(Thing(value), files=['f'])",
        "1",
        "2",
    ),
}
EDITS = PLACES | {name: ("    model.extra = value", *values) for name, values in ATTRIBUTES.items()}
CODE = {
    "a module that forward imports": "    def call(x):\n        import helper\n    model.forward = call",
    "a module that a module of a package imports": "    from package.inner import deep",
    "the package of a module": "    import package.inner",
    "the file of a base class": (
        "    Other = type('Other', (importlib.import_module('helper').Base,), {})\n    model.extra = Other()"
    ),
    "the file of a hook": "    model.register_forward_hook(importlib.import_module('helper').hook)",
    "the file of another forward": "    model.forward = importlib.import_module('helper').hook",
    "the file of a function": "    return NumpyModel(importlib.import_module('helper').hook, files=['f'])",
    "the file that a file imports": "    import helper; return NumpyModel(lambda x: x, files=['f'])",
}
HELPER = "class Base:\n    pass\n\ndef hook(module, images=None, answers=None):\n    return answers\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with modules that import one another."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    before = set(sys.modules)
    files = {
        "value.txt": "1",
        "f": "",
        "helper.py": HELPER,
        "package/__init__.py": "",
        "package/inner.py": "from . import deep\n",
        "package/deep.py": "from .deeper import (\n    name,\n)\n",
        "package/deeper.py": "name = 1\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("zoo", "helper", "package", "installed"):
            del sys.modules[name]


def fingerprint(body: str, spec: str = "zoo:net") -> str:
    """Return the fingerprint of a model of a new import, as another process has it."""
    for name in [name for name in sys.modules if name.partition(".")[0] in ("zoo", "helper", "package")]:
        del sys.modules[name]
    importlib.invalidate_caches()
    Path("zoo.py").write_text(f"{NET}{body}\n    return model\n")
    return load(spec, image_size=2).fingerprint


@pytest.mark.parametrize("name", EDITS)
def test_values_that_a_model_holds_count(folder: Path, name: str) -> None:
    body, before, after = EDITS[name]
    (folder / "value.txt").write_text(before)
    first = fingerprint(body)
    again = fingerprint(body)
    (folder / "value.txt").write_text(after)
    assert first == again
    assert fingerprint(body) != first


@pytest.mark.parametrize("name", CODE)
def test_source_files_that_a_model_reaches_count(folder: Path, name: str) -> None:
    body = CODE[name]
    edited = folder / {
        "a module that a module of a package imports": "package/deeper.py",
        "the package of a module": "package/__init__.py",
    }.get(name, "helper.py")
    first = fingerprint(body)
    again = fingerprint(body)
    with edited.open("a") as file:
        file.write("# edited\n")
    assert first == again
    assert fingerprint(body) != first


def test_files_that_no_import_reaches_do_not_count(folder: Path) -> None:
    first = fingerprint("")
    for file in (folder / "helper.py", folder / "package/inner.py"):
        file.write_text("edited = 1\n")
    assert fingerprint("") == first
    assert fingerprint("    # edited") != first


def test_callables_of_one_file_differ_by_their_closures(folder: Path) -> None:
    body = (
        "    return model\n\ndef made(sign):\n    def net():\n        model = Net()\n"
        "        model.forward = lambda x: x * sign\n        return model\n    return net\n\n"
        "a, b = made(1), made(-1)\n\ndef last(model=None):"
    )
    assert len({fingerprint(body, "zoo:a"), fingerprint(body, "zoo:b")}) == 2


def test_a_variable_that_is_read_while_the_model_is_built_counts(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "    model._sign = os.environ['SIGN']"
    prints = []
    for value in ("1", "1", "-1"):
        monkeypatch.setenv("SIGN", value)
        prints.append(fingerprint(body))
    assert prints[0] == prints[1] != prints[2]


def test_versions_of_imported_packages_count(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = folder / "site-packages/installed"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from . import code, version\n")
    (package / "code.py").write_text("")
    monkeypatch.syspath_prepend(package.parent)
    body = "    import installed, package"
    prints = []
    for name, text in (("version.py", "1"), ("version.py", "2"), ("code.py", "edited = 1")):
        (package / name).write_text(text)
        prints.append(fingerprint(body))
    assert prints[0] != prints[1] == prints[2]  # without metadata: files that usually state the version
    monkeypatch.setattr(user_code, "version", lambda name: "other")
    assert fingerprint(body) != prints[2]


def test_where_the_code_lies_does_not_count(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "    model.extra = pathlib.Path(__file__).with_name('value.txt'), __file__"
    prints = set()
    for name in "ab":
        (folder / name).mkdir()
        monkeypatch.chdir(folder / name)
        monkeypatch.syspath_prepend(folder / name)
        Path("value.txt").write_text("1")
        prints.add(fingerprint(body))
    assert len(prints) == 1


def test_two_processes_agree(folder: Path) -> None:
    values = ", ".join(f"({before})" for before, _ in ATTRIBUTES.values())
    lines = [body for body, before, _ in PLACES.values() if "NumpyModel" not in body and before[0] != "l"]
    lines.append("    model.compiled = torch.compile(model.head)")
    (folder / "value.txt").write_text("1")
    (folder / "zoo.py").write_text(
        "\n".join([NET, *lines, f"    model.extra = [{values}]", *CODE.values()]).replace(
            "return Numpy", "Numpy"
        )
        + "\n    return model\n"
    )
    (folder / "more.py").write_text("import helper, email, wave, package.deeper\n")
    script = (
        "import sys; sys.path.insert(0, '.'); {}from support.loaded_models import load;"
        "print(load('zoo:net', image_size=2).fingerprint)"
    )
    path = f"{os.environ.get('PYTHONPATH', '')}{os.pathsep}{Path(__file__).parents[2]}"
    outputs = [
        subprocess.check_output(
            [sys.executable, "-c", script.format(first)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
        )
        for seed, first in (("1", ""), ("2", "import more; "))
    ]
    assert len(outputs[0]) == 33
    assert outputs[0] == outputs[1]


def test_models_without_user_code_keep_their_fingerprints(folder: Path) -> None:
    """Those of the module and the source files alone."""
    arch = "mobilenetv3_small_050"
    module = timm.create_model(arch, num_classes=10).eval()
    torch.save(module.state_dict(), "net.pt")
    demo = LoadedModule(network.demo_module("demo"), sources=(Path(network.__file__),))
    resnet = load("torchvision.models:squeezenet1_1")
    for loaded, plain in (
        (load("net.pt", arch=arch), LoadedModule(module, arch)),
        (load("demo"), demo),
        (resnet, LoadedModule(resnet.module)),
    ):
        assert loaded.fingerprint == module_fingerprint(plain, state_digest(named_tensors(plain.module)))
    assert code_digest("timm.models:create_model", module, timm.create_model) == ""
