"""The public names: all there, documented, and loaded without torch before use."""

import ast
import importlib
import inspect
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest


def imported_names(module: ModuleType) -> list[str]:
    """The names that type checkers see."""
    source = Path(module.__file__ or "")
    stub = source.with_suffix(".pyi")
    tree = ast.parse((stub if stub.exists() else source).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    ours = [node for node in imports if str(node.module).startswith("quba_check.")]
    return [alias.name for node in ours for alias in node.names]


@pytest.mark.parametrize("name", ["quba_check", "quba_check.testing"])
def test_every_name_is_there_and_documented(name: str) -> None:
    module = importlib.import_module(name)
    names = imported_names(module)
    assert len(set(names)) == len(names)
    for public in names:
        value = getattr(module, public)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), public
            assert value.__name__ == public


def test_all_names_are_listed() -> None:
    module = importlib.import_module("quba_check")
    assert set(module.__all__) == set(imported_names(module)) <= set(dir(module))


@pytest.mark.parametrize("name", ["quba_check", "quba_check.testing"])
def test_an_unknown_name(name: str) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(importlib.import_module(name), "Evaluator")  # noqa: B009
    assert str(caught.value) == f"module '{name}' has no attribute 'Evaluator'"


def test_the_version() -> None:
    assert importlib.import_module("quba_check").__version__ == version("quba-check")
