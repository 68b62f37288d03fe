from __future__ import annotations

import sys

import pytest
from torch import nn

from quba_check.errors import ModelError
from quba_check.models.programs.functions import load_callable
from quba_check.models.request import LoadRequest
from quba_check.models.specs import ModelSpec

SOURCE = """
from torch import nn

def small():
    return nn.Linear(2, 2)

class Net(nn.Module):
    @staticmethod
    def large():
        return nn.Linear(4, 4)

def raising():
    raise ValueError("no weights here")

def needing(path):
    return nn.Linear(2, 2)

def number():
    return 3

def leaving():
    import sys
    sys.exit(0)

def skipping():
    import pytest
    pytest.skip("later")

value = 4
made = nn.Linear(2, 2)
"""
ALLOWED = (
    "Allowed: a function or class that takes no arguments and returns a torch.nn.Module or a "
    "quba_check.NumpyModel."
)


@pytest.fixture(autouse=True)
def _in_a_folder_with_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    (tmp_path / "zoo_here.py").write_text(SOURCE)
    (tmp_path / "zoo_lacks.py").write_text("import not_installed_at_all\n")
    (tmp_path / "zoo_fails.py").write_text("1 / 0\n")
    (tmp_path / "zoo_leaves.py").write_text("raise SystemExit(0)\n")
    (tmp_path / "zoo_lazy.py").write_text("def __getattr__(name):\n    raise SystemExit(0)\n")
    (tmp_path / "zoo_package").mkdir()
    (tmp_path / "zoo_package" / "__init__.py").write_text("")
    (tmp_path / "zoo_package" / "nets.py").write_text(SOURCE)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("zoo_"):
            del sys.modules[name]


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("zoo_here:small", "Linear"),
        ("zoo_here:Net", "Net"),
        ("zoo_here:Net.large", "Linear"),
        ("zoo_package.nets:small", "Linear"),
    ],
)
def test_callables_of_the_current_folder(spec, kind):
    loaded = load_callable(ModelSpec(spec, "callable", spec), LoadRequest())
    assert isinstance(loaded.module, nn.Module)
    assert type(loaded.module).__name__ == kind
    assert len(loaded.code) == 32


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("zoo_her:small", "there is no module 'zoo_her', neither in {here} nor installed."),
        ("zoo_package.net:small", "there is no module 'zoo_package.net', neither in {here} nor installed."),
        (
            "zoo_lacks:x",
            "importing 'zoo_lacks' raised ModuleNotFoundError: No module named 'not_installed_at_all'",
        ),
        ("zoo_fails:x", "importing 'zoo_fails' raised ZeroDivisionError: division by zero"),
        ("zoo_here:smal", "'zoo_here' has no attribute 'smal'. Did you mean 'small'?"),
        ("zoo_here:Net.huge", "'Net' has no attribute 'huge'."),
        ("zoo_here:raising", "calling it raised ValueError: no weights here"),
        (
            "zoo_here:needing",
            "calling it raised TypeError: needing() missing 1 required positional argument: 'path'",
        ),
        ("zoo_here:leaving", "calling it raised SystemExit: 0"),
        ("zoo_here:skipping", "calling it raised Skipped: later"),
        ("zoo_leaves:x", "importing 'zoo_leaves' raised SystemExit: 0"),
        ("zoo_lazy:x", "looking it up raised SystemExit: 0"),
        ("zoo_here:number", f"got a value of type int. {ALLOWED}"),
        ("zoo_here:value", f"got a value of type int. {ALLOWED}"),
        ("zoo_here:made", f"got a value of type Linear. {ALLOWED}"),
    ],
)
def test_messages(spec, message, tmp_path):
    with pytest.raises(ModelError) as caught:
        load_callable(ModelSpec(spec, "callable", spec), LoadRequest())
    here = message.replace("{here}", str(tmp_path))
    assert str(caught.value) == f"{spec}: {here}"
