"""`package.module:callable`: a user's function that returns a module or a function on arrays."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from torch import nn

from quba_check.errors import ModelError
from quba_check.messages import did_you_mean
from quba_check.models.classifier import model_errors
from quba_check.models.fingerprint import named_tensors
from quba_check.models.loaded_module import LoadedModule
from quba_check.models.programs.functions import NumpyModel, load_function
from quba_check.models.programs.weights import depends_on_batch, hidden_weights
from quba_check.models.request import LoadRequest
from quba_check.models.specs import ModelSpec
from quba_check.models.user_code import code_digest


def load_callable(spec: ModelSpec, request: LoadRequest) -> LoadedModule:
    """Import a callable, with the current folder importable as under `python -m`, and call it.

    Args:
        spec: `package.module:callable`; the callable takes no arguments.
        request: how it is loaded.

    Returns:
        The module that it returned, with a digest of the code of both.

    Raises:
        ModelError: module or callable do not exist, raise, or return something else than a torch module or a
            `NumpyModel`.
    """
    value = imported_object(spec.text)
    module: object = value if isinstance(value, NumpyModel) else None
    with model_errors("calling it raised", where=spec.text):
        if callable(value) and not isinstance(value, nn.Module):
            module = value()
    if isinstance(module, NumpyModel):
        return load_function(module, spec, request, code_digest(spec.text, module.predict, value))
    if not isinstance(module, nn.Module):
        raise ModelError(
            f"got a value of type {type(value if module is None else module).__name__}. Allowed: a function "
            "or class that takes no arguments and returns a torch.nn.Module or a quba_check.NumpyModel.",
            where=spec.text,
        )
    weights = hidden_weights(module, spec=spec.text)
    return LoadedModule(
        module,
        code=code_digest(spec.text, module, value, tensors={**named_tensors(module), **weights.hidden}),
        weights=weights,
        takes_single_images=depends_on_batch(module),
    )


def imported_object(text: str) -> Any:
    """Return the object of `package.module:name`, with the current folder importable.

    Raises:
        ModelError: module or object do not exist, or importing them raises.
    """
    module_name, _, path = text.partition(":")
    value = _import_module(module_name, text)
    with model_errors("looking it up raised", where=text):
        for name in path.split("."):
            if not hasattr(value, name):
                owner = getattr(value, "__name__", module_name)
                raise ModelError(
                    f"'{owner}' has no attribute '{name}'.{did_you_mean(name, dir(value))}", where=text
                )
            value = getattr(value, name)
    return value


def _import_module(name: str, spec: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # not removed, since the user's code may import more modules later
    try:
        with model_errors(f"importing '{name}' raised", where=spec):
            return importlib.import_module(name)
    except ModelError as error:
        missing = error.__cause__.name if isinstance(error.__cause__, ModuleNotFoundError) else None
        if not missing or not (name == missing or name.startswith(f"{missing}.")):
            raise
        raise ModelError(
            f"there is no module '{missing}', neither in {here} nor installed.", where=spec
        ) from error
