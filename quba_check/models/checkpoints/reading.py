"""Reading of checkpoint files without running the code in them."""

from __future__ import annotations

import argparse
import io
import pickle
import pickletools
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO, NoReturn

import numpy as np
import torch
from safetensors.torch import load_file

from quba_check.errors import ModelError, listed
from quba_check.models.checkpoints.contents import HOW_TO_SAVE, Checkpoint, checkpoint_of
from quba_check.models.classifier import error_summary

_scalar = np.float64().__reduce__()[0]
"""The function by which a pickle creates numbers of numpy, such as the best accuracy."""
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
"""Types that training scripts save next to weights; creating them runs no code."""
_PLAIN = ("torch.", "collections.", "_codecs.", "numpy.", "builtins.", "__builtin__.", *SAFE)
_LFS_POINTER = b"version https://git-lfs"
LARGEST_PICKLE = 8 * 2**20
"""Bytes of instructions that are searched at most; tensors are stored outside of them."""
LEGACY_PICKLES = 5
"""Before the zip format, torch wrote five pickles in a row and then the tensors."""


def read_checkpoint(path: Path, *, spec: str, trust_pickle: bool = False) -> Checkpoint:
    """Read a checkpoint with its tensors on the CPU.

    Args:
        path: an existing file: safetensors by its suffix, else of `torch.save`.
        spec: the model's spec, for messages.
        trust_pickle: let the file run code while it is read; otherwise such a file is refused.

    Raises:
        ModelError: the file is damaged, is no checkpoint, would run code, or holds no state dict.
    """
    beginning = _beginning(path, spec)
    if not beginning:
        raise ModelError(f"{spec}: is no checkpoint, the file is empty.")
    if beginning == _LFS_POINTER:
        raise ModelError(f"{spec}: is no checkpoint but a Git LFS pointer to one. Fetch it: git lfs pull.")
    if path.suffix.lower() == ".safetensors":
        try:
            return checkpoint_of(load_file(path), spec)
        except Exception as error:  # errors of safetensors, and of types missing in torch
            raise ModelError(f"{spec}: is no safetensors file, or a damaged one.") from error
    return checkpoint_of(_unpickle(path, spec, trust_pickle), spec)


def _beginning(path: Path, spec: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(len(_LFS_POINTER))
    except OSError as error:
        raise ModelError(f"{spec}: cannot be read ({error.strerror}).") from error


def _unpickle(path: Path, spec: str, trust: bool) -> Any:
    safe: list[Any] = [(kind, name) for name, kind in SAFE.items()]
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(safe):
            warnings.simplefilter("ignore")  # about pickle protocols; errors are handled below
            return torch.load(path, map_location="cpu", weights_only=not trust)
    except Exception as error:  # torch raises a dozen types for files that are no checkpoint
        if trust:
            raise ModelError(f"{spec}: cannot be read as a checkpoint ({error_summary(error)}).") from error
        _raise_refusal(path, spec, error)


def _raise_refusal(path: Path, spec: str, error: Exception) -> NoReturn:
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


def pickled_names(path: Path) -> tuple[str, ...]:
    """Return the dotted names that a pickle would import, in order, each once. Nothing of it is run.

    Args:
        path: a file of `torch.save`, in the zip format or the older one, or a plain pickle.

    Returns:
        Names such as `collections.OrderedDict`; none for files without a pickle. Of a damaged file, those
        before the damage.
    """
    names: dict[str, None] = {}
    try:
        with path.open("rb") as file:
            for pickled in _pickles(file):
                names.update(dict.fromkeys(_names(pickled)))
    except Exception:  # noqa: BLE001, S110  a damaged file, or no pickle
        pass
    return tuple(names)


def _pickles(file: BinaryIO) -> Iterator[BinaryIO]:
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                if member.filename.endswith("data.pkl") and member.file_size <= LARGEST_PICKLE:
                    yield io.BytesIO(archive.read(member))
        return
    file.seek(0)
    instructions = io.BytesIO(file.read(LARGEST_PICKLE))
    for _ in range(LEGACY_PICKLES):
        yield instructions


def _names(pickled: BinaryIO) -> Iterator[str]:
    texts: list[str] = []
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name in ("GLOBAL", "INST"):
            yield str(argument).replace(" ", ".")
        elif opcode.name == "STACK_GLOBAL" and len(texts) >= 2:
            yield ".".join(texts[-2:])
        if isinstance(argument, str):
            texts.append(argument)
