"""Models of a user's code: callables that return a module or a function on arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import nn

from quba_check.errors import ModelError
from quba_check.models.errors import model_errors
from quba_check.models.identity.state import named_tensors
from quba_check.models.identity.user_code import code_digest, imported_object
from quba_check.models.loaded_module import LoadedModule, Weights, model_files
from quba_check.models.preprocessing.config import PreprocessingConfig
from quba_check.models.programs.runtime import NO_GRADIENT, ImageInput, RuntimeProgram, check_fits_input
from quba_check.models.programs.weights import depends_on_batch, hidden_weights
from quba_check.models.request import LoadRequest
from quba_check.models.specs import ModelSpec

UNCOUNTED = "a function on arrays does not show its weights; NumpyModel(parameters=…) states their number"
TOLERANCE = 1e-5
"""Largest change of an answer between two calls, relative to the largest answer if that is above 1."""
PixelType = Literal["uint8", "float32"]


@dataclass(frozen=True, slots=True)
class NumpyModel:
    """A classifier as a function on numpy arrays, such as the client of a server.

    A callable given as `--model=package.module:callable` returns it, or is it.

    Attributes:
        predict: takes an array of images and returns one of class scores, floats of shape (N, C). The same
            images must give the same scores in every call.
        input: `uint8`: prepared images (N, size, size, channels), RGB in 0 to 255, before normalisation;
            `float32`: normalised images (N, channels, size, size).
        size: height and width in pixels.
        channels: 3, or 1 for grey images.
        parameters: number of its weights; None if unknown, which makes `parameters` unmeasurable.
        files: files that the function reads. Their digests identify the model: another file is another model.
        is_endpoint: True if something else than this process answers, which no file identifies.

    Raises:
        ModelError: a value is not allowed.
    """

    predict: Callable[[Any], Any]
    input: PixelType = "uint8"
    size: int = 224
    parameters: int | None = None
    files: Sequence[str | Path] = ()
    is_endpoint: bool = False
    channels: int = 3

    def __post_init__(self) -> None:
        integer = "a positive integer"
        for name, is_usable, allowed in (
            ("predict", callable(self.predict), "a function"),
            ("input", self.input in get_args(PixelType), "'uint8', 'float32'"),
            ("size", _is_positive(self.size), integer),
            ("channels", self.channels in (1, 3), "3, or 1 for grey images"),
            ("parameters", self.parameters is None or _is_positive(self.parameters), f"{integer}, None"),
            ("files", isinstance(self.files, (list, tuple)), "a list of paths"),
        ):
            if not is_usable:
                raise ModelError(
                    f"{name} cannot be used",
                    where="NumpyModel",
                    got=f"{getattr(self, name)!r}",
                    allowed=allowed,
                )


def _is_positive(value: object) -> bool:
    return isinstance(value, int) and value > 0


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
            got=f"a value of type {type(value if module is None else module).__name__}",
            allowed="a function or class that takes no arguments and returns a torch.nn.Module or a "
            "quba_check.NumpyModel",
            where=spec.text,
        )
    weights = hidden_weights(module, spec=spec.text)
    return LoadedModule(
        module,
        code=code_digest(spec.text, module, value, tensors={**named_tensors(module), **weights.hidden}),
        weights=weights,
        takes_single_images=depends_on_batch(module),
    )


def load_function(model: NumpyModel, spec: ModelSpec, request: LoadRequest, code: str) -> LoadedModule:
    """Return a function on numpy arrays as a loaded module.

    The fingerprint is that of its name, its code, its files and the stated version. Without files and
    version, and for an endpoint without a version, each run has another fingerprint.

    Args:
        model: the function.
        spec: the model.
        request: how it is loaded.
        code: `code_digest` of it.

    Raises:
        ModelError: a file cannot be read, or the preprocessing file normalises images that the function takes
            as they are.
    """
    takes = ImageInput(size=(model.size, model.size), channels=model.channels)
    if model.input == "uint8":
        takes = replace(takes, dtype=torch.uint8, is_channels_last=True, scale=1 / 255)
    check_fits_input(takes, request, spec.text, ', or give NumpyModel(input="float32")')
    files = model_files(*map(Path, model.files))
    version = request.model_version
    is_known = version is not None or (files != () and not model.is_endpoint)
    identity = [version or "", *(file.sha256 for file in files)] if is_known else [request.run_id]
    notes = []
    if model.is_endpoint:
        answers = "nothing states which model answers" if version is None else f"version {version} as stated"
        notes.append(f"{spec.text}: endpoint, not bytes: {answers}")
    if not is_known:
        notes.append(
            f"{spec.text}: its predictions are not used again, since nothing identifies the model. Give "
            "--quba-model-version=TEXT" + ("" if model.is_endpoint else ", or NumpyModel(files=[…])")
        )
    # With the name, since functions of compiled objects may differ by nothing else.
    contents = hashlib.sha256("\n".join([spec.text, code, *identity]).encode()).digest()
    function = _checked_function(model, spec.text)
    return LoadedModule(
        RuntimeProgram(function, takes, contents, f"function of {model.input}", files=files),
        configs=(PreprocessingConfig(takes.config, f"the input of {spec.text}"),),
        notes=tuple(notes),
        weights=Weights(model.parameters, uncounted=UNCOUNTED if model.parameters is None else ""),
        device=torch.device("cpu"),
        precision="fp32",
        no_gradient=NO_GRADIENT.format("a function on arrays"),
        files=files,
        is_program=True,
        uses_version=True,
    )


def _checked_function(model: NumpyModel, spec: str) -> Callable[[Any], Any]:
    """Return a function on arrays with checked answers.

    The first batch is predicted twice, and both answers are compared.

    Args:
        model: the function.
        spec: the model's spec, for messages.
    """
    is_first = True

    def predict(images: Any) -> Any:
        answers: Any = model.predict(images.copy())  # a function may write into its array
        error = partial(ModelError, where=spec, allowed="a numpy array of floats, (images, classes)")
        if not isinstance(answers, np.ndarray):
            raise error(f"the function returns a value of type {type(answers).__name__}")
        if answers.dtype.kind != "f":
            raise error(f"the function returns an array of {answers.dtype}")
        return answers.astype(np.float32)

    def checked(images: Any) -> Any:
        nonlocal is_first
        answers = predict(images)
        if is_first:
            is_first = False
            again = predict(images)
            largest = max(1.0, float(np.abs(answers).max(initial=0)))
            is_same = answers.shape == again.shape
            if not is_same or not np.allclose(answers, again, 0, TOLERANCE * largest, equal_nan=True):
                gap = f"that differ by {np.abs(answers - again).max():.2g}" if is_same else "of two shapes"
                raise ModelError(
                    "changes between calls",
                    where=spec,
                    got=f"answers {gap} for the same images",
                    allowed=f"the same answers up to {TOLERANCE:g}",
                    hint="Switch off whatever draws random numbers.",
                )
        return answers

    return checked
