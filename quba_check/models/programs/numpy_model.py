"""Models that are functions on numpy arrays. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from quba_check.errors import ModelError

if TYPE_CHECKING:
    import numpy as np

InputKind = Literal["uint8", "float32"]


@dataclass(frozen=True, slots=True)
class NumpyModel:
    """A classifier that is a function on numpy arrays, such as a client of a server.

    A callable given as `--model=package.module:callable` returns it, or is it.

    Attributes:
        predict: takes a batch of images and returns class scores, floats of shape (N, C). The same images
            must give the same scores in every call.
        input: `uint8`: prepared images (N, size, size, 3), RGB in 0 to 255, before normalisation; `float32`:
            normalised images (N, 3, size, size).
        size: height and width in pixels.
        parameters: number of its weights; None if unknown, which makes `parameters` unmeasurable.
        files: files that the function reads. Their digests identify the model: another file is another model.
        is_endpoint: True if something else than this process answers, which no file identifies.

    Raises:
        ModelError: a value is not allowed.
    """

    predict: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]
    input: InputKind = "uint8"
    size: int = 224
    parameters: int | None = None
    files: Sequence[str | Path] = ()
    is_endpoint: bool = False

    def __post_init__(self) -> None:
        checks = {
            "predict": (callable(self.predict), "a function"),
            "input": (self.input in get_args(InputKind), "'uint8', 'float32'"),
            "size": (_is_positive(self.size), "a positive integer"),
            "parameters": (
                self.parameters is None or _is_positive(self.parameters),
                "a positive integer, None",
            ),
            "files": (isinstance(self.files, (list, tuple)), "a list of paths"),
        }
        for name, (is_usable, allowed) in checks.items():
            if not is_usable:
                raise ModelError(
                    f"NumpyModel: {name} cannot be used, got {getattr(self, name)!r}. Allowed: {allowed}."
                )


def _is_positive(value: object) -> bool:
    return isinstance(value, int) and value > 0
