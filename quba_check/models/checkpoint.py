"""Checkpoint files: reading a state dict, and saying what a file is that holds none."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from quba_check.errors import ModelError, listed
from quba_check.models.classifier import described
from quba_check.models.pickles import pickled_names

State = dict[str, Tensor]

HOW_TO_SAVE = "Save the weights with torch.save(model.state_dict(), FILE)"
_PLAIN = ("torch.", "collections.", "_codecs.", "numpy.", "builtins.", "__builtin__.")
_LFS_POINTER = b"version https://git-lfs"


def read_state_dict(path: Path, *, spec: str, trust_pickle: bool = False) -> State:
    """The tensors of a checkpoint, on the CPU.

    Args:
        path: an existing file: safetensors by its suffix, else what `torch.save` wrote.
        spec: the model's spec, for messages.
        trust_pickle: let the file run code while it is read. Without it such a file is refused and
            nothing is run.

    Returns:
        Tensors by name.

    Raises:
        ModelError: the file is damaged, no checkpoint, would run code, or holds something else than a
            state dict.
    """
    beginning = _beginning(path, spec)
    if not beginning:
        raise ModelError(f"{spec}: is no checkpoint, the file is empty.")
    if beginning == _LFS_POINTER:
        raise ModelError(f"{spec}: is no checkpoint but a Git LFS pointer to one. Fetch it: git lfs pull.")
    if path.suffix.lower() == ".safetensors":
        try:
            return dict(load_file(path))
        except SafetensorError as error:
            raise ModelError(f"{spec}: is no safetensors file, or a damaged one.") from error
    _refuse_programs(path, spec)
    return _state_of(_unpickled(path, spec, trust_pickle), spec)


def _beginning(path: Path, spec: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(len(_LFS_POINTER))
    except OSError as error:
        raise ModelError(f"{spec}: cannot be read ({error.strerror}).") from error


def _refuse_programs(path: Path, spec: str) -> None:
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        members = {name.partition("/")[2] for name in archive.namelist()}
    if "constants.pkl" in members:
        raise ModelError(f"{spec}: holds a TorchScript program, not a state dict. {HOW_TO_SAVE}.")
    if "archive_format" in members or "serialized_exported_program.json" in archive.namelist():
        raise ModelError(
            f"{spec}: holds an exported program (torch.export), not a state dict. {HOW_TO_SAVE}."
        )


def _unpickled(path: Path, spec: str, trust: bool) -> Any:
    try:
        with warnings.catch_warnings():
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


def _state_of(loaded: Any, spec: str) -> State:
    if isinstance(loaded, nn.Module):
        kind = f"{type(loaded).__module__}.{type(loaded).__qualname__}"
        raise ModelError(
            f"{spec}: holds a whole pickled model ({kind}), not a state dict. "
            f"{HOW_TO_SAVE}, or give package.module:callable."
        )
    if not isinstance(loaded, Mapping):
        raise ModelError(
            f"{spec}: holds a value of type {type(loaded).__name__}, not a state dict. {HOW_TO_SAVE}."
        )
    if loaded and all(isinstance(key, str) and isinstance(value, Tensor) for key, value in loaded.items()):
        return dict(loaded)
    inner = [key for key, value in loaded.items() if isinstance(value, Mapping) and _is_state(value)]
    if inner:
        raise ModelError(
            f"{spec}: holds more than weights, got the keys {listed(map(str, loaded), 5)}. "
            f"Save what is under '{inner[0]}' in a file of its own: "
            f"torch.save(torch.load(FILE)['{inner[0]}'], NEW_FILE)."
        )
    raise ModelError(f"{spec}: holds a dict without weights, got {_contents(loaded)}. {HOW_TO_SAVE}.")


def _is_state(value: Mapping[Any, Any]) -> bool:
    return bool(value) and all(isinstance(tensor, Tensor) for tensor in value.values())


def _contents(loaded: Mapping[Any, Any]) -> str:
    return f"the keys {listed(map(str, loaded), 5)}" if loaded else "no keys at all"
