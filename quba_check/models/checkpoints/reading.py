"""Checkpoint files: reading what they hold without running it, and saying what a file is that holds none."""

from __future__ import annotations

import argparse
import pickle
import warnings
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NoReturn

import numpy as np
import torch
from safetensors.torch import load_file

from quba_check.errors import ModelError, listed
from quba_check.models.checkpoints.contents import HOW_TO_SAVE, Checkpoint, checkpoint_of
from quba_check.models.checkpoints.pickles import pickled_names
from quba_check.models.classifier import described

_scalar = np.float64().__reduce__()[0]
"""By which a pickle makes a number of numpy's, such as the best accuracy."""
SAFE: dict[str, Any] = {
    "argparse.Namespace": argparse.Namespace,
    "pathlib.PosixPath": PurePosixPath,
    "pathlib._local.PosixPath": PurePosixPath,
    "pathlib.WindowsPath": PureWindowsPath,
    "pathlib._local.WindowsPath": PureWindowsPath,
    "numpy.dtype": np.dtype,
    **{f"numpy.dtypes.{kind.__name__}": kind for kind in map(type, map(np.dtype, "efdilqBH?"))},
    **dict.fromkeys(("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"), _scalar),
}
"""What training scripts save beside weights, besides plain values; making them runs nothing."""
_PLAIN = ("torch.", "collections.", "_codecs.", "numpy.", "builtins.", "__builtin__.", *SAFE)
_LFS_POINTER = b"version https://git-lfs"


def read_checkpoint(path: Path, *, spec: str, trust_pickle: bool = False) -> Checkpoint:
    """The weights of a checkpoint, on the CPU, and what it says of them.

    Args:
        path: an existing file: safetensors by its suffix, else what `torch.save` wrote.
        spec: the model's spec, for messages.
        trust_pickle: let the file run code while it is read. Without it such a file is refused and
            nothing is run.

    Returns:
        The checkpoint.

    Raises:
        ModelError: the file is damaged, no checkpoint, would run code, or holds no state dict.
    """
    beginning = _beginning(path, spec)
    if not beginning:
        raise ModelError(f"{spec}: is no checkpoint, the file is empty.")
    if beginning == _LFS_POINTER:
        raise ModelError(f"{spec}: is no checkpoint but a Git LFS pointer to one. Fetch it: git lfs pull.")
    if path.suffix.lower() == ".safetensors":
        try:
            return checkpoint_of(load_file(path), spec)
        except Exception as error:  # the reader's own, and those of types that torch does not have
            raise ModelError(f"{spec}: is no safetensors file, or a damaged one.") from error
    return checkpoint_of(_unpickled(path, spec, trust_pickle), spec)


def _beginning(path: Path, spec: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(len(_LFS_POINTER))
    except OSError as error:
        raise ModelError(f"{spec}: cannot be read ({error.strerror}).") from error


def _unpickled(path: Path, spec: str, trust: bool) -> Any:
    safe: list[Any] = [(kind, name) for name, kind in SAFE.items()]
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(safe):
            warnings.simplefilter("ignore")  # about pickle protocols; what matters is said below
            return torch.load(path, map_location="cpu", weights_only=not trust)
    except Exception as error:  # torch raises a dozen types for files that are no checkpoint
        if trust:
            raise ModelError(f"{spec}: cannot be read as a checkpoint ({described(error)}).") from error
        _explain_refusal(path, spec, error)


def _explain_refusal(path: Path, spec: str, error: Exception) -> NoReturn:
    names = pickled_names(path)
    foreign = [name for name in names if not name.startswith(_PLAIN)]
    if any(name.startswith("torch.nn.modules.") for name in names):
        which = f" ({foreign[0]})" if foreign else ""
        raise ModelError(
            f"{spec}: holds a whole pickled model{which}, not a state dict; nothing of it was run. "
            f"{HOW_TO_SAVE}, or give package.module:callable."
        ) from error
    if isinstance(error, pickle.UnpicklingError) and names:
        raise ModelError(
            f"{spec}: would run code when it is read ({listed(foreign or names, 3)}); nothing of it was run. "
            f"{HOW_TO_SAVE}, or, if you trust whoever made the file: --quba-trust-pickle."
        ) from error
    raise ModelError(f"{spec}: is no checkpoint that torch.save wrote, or a damaged one.") from error
