"""`package.module:callable`: the user's own function that returns a module."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from quba_check.errors import ModelError, did_you_mean
from quba_check.models.classifier import model_errors


@dataclass(frozen=True, slots=True)
class Built:
    """A module, and the callable that returned it."""

    module: nn.Module
    by: Callable[..., Any]


def built(spec: str) -> Built:
    """Import a callable, with the current folder importable as under `python -m`, and call it.

    Args:
        spec: `package.module:callable`; the callable takes no arguments.

    Returns:
        The module that it returned.

    Raises:
        ModelError: module or callable are not there, raise, or return something else than a torch module.
    """
    module_name, _, path = spec.partition(":")
    found: Any = _imported(module_name, spec)
    with model_errors(f"{spec}: looking it up raised"):
        for name in path.split("."):
            if not hasattr(found, name):
                owner = getattr(found, "__name__", module_name)
                raise ModelError(f"{spec}: '{owner}' has no '{name}'.{did_you_mean(name, dir(found))}")
            found = getattr(found, name)
    if isinstance(found, nn.Module) or not callable(found):
        raise ModelError(
            f"{spec}: is not a callable, got a value of type {type(found).__name__}. "
            "Allowed: a function or class that takes no arguments and returns a torch.nn.Module."
        )
    with model_errors(f"{spec}: calling it raised"):
        module = found()
    if not isinstance(module, nn.Module):
        raise ModelError(
            f"{spec}: returned no model, got a value of type {type(module).__name__}. "
            "Allowed: a torch.nn.Module."
        )
    return Built(module, found)


def _imported(name: str, spec: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # kept: the user's code may import its neighbours later on
    try:
        with model_errors(f"{spec}: importing '{name}' raised"):
            return importlib.import_module(name)
    except ModelError as error:
        missing = error.__cause__.name if isinstance(error.__cause__, ModuleNotFoundError) else None
        if not missing or not (name == missing or name.startswith(f"{missing}.")):
            raise
        near = did_you_mean(name, _modules_in(Path.cwd())) if name == missing and "." not in name else ""
        raise ModelError(
            f"{spec}: there is no module '{missing}', neither in {here} nor installed.{near}"
        ) from error


def _modules_in(folder: Path) -> list[str]:
    files = [path.stem for path in folder.glob("*.py")]
    return files + [path.parent.name for path in folder.glob("*/__init__.py")]
