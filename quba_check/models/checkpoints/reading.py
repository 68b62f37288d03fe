"""Reading of checkpoint files: weights and other content, without running the code in them."""

from __future__ import annotations

import argparse
import io
import pickle
import pickletools
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO, NoReturn, TypeGuard

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from quba_check.errors import ModelError
from quba_check.messages import listed
from quba_check.models.classifier import error_summary
from quba_check.models.fingerprint import unusual_form
from quba_check.models.preprocessing.config import key_text
from quba_check.models.specs import WITH_CODE

State = dict[str, Tensor]

HOW_TO_SAVE = "Save the weights with torch.save(model.state_dict(), FILE)"
PREFERRED = ("state_dict_ema", "model_ema", "state_dict", "model", "model_state_dict")
"""Keys of weights, in order of preference. Averaged weights come first, as in timm."""
MAX_NAME_LENGTH = 500
PACKED = "_packed_params"
"""Part of the keys of torch's quantised layers, whose weights are no plain tensors."""
COUNTERS = ("n_averaged",)
"""Entries of torch's `AveragedModel` that are not weights."""
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


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The weights of a checkpoint, and its other content.

    Attributes:
        state: tensors by name.
        key: key of the weights, such as `state_dict_ema`; empty if the file holds nothing else.
        others: keys of further weights, which are not used.
        about: everything else by its key.
    """

    state: State
    key: str = ""
    others: tuple[str, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)


def read_checkpoint(path: Path, *, spec: str, trust_pickle: bool = False) -> Checkpoint:
    """Read a checkpoint with its tensors on the CPU.

    Args:
        path: an existing file: safetensors by its suffix, else of `torch.save`.
        spec: the model's spec, for messages.
        trust_pickle: let the file run code while it is read; otherwise such a file is refused.

    Raises:
        ModelError: the file is damaged, is not a checkpoint, would run code, or holds no state dict.
    """
    try:
        with path.open("rb") as file:
            beginning = file.read(len(_LFS_POINTER))
    except OSError as error:
        raise ModelError(f"{spec}: cannot be read ({error.strerror}).") from error
    if not beginning:
        raise ModelError(f"{spec}: not a checkpoint: the file is empty.")
    if beginning == _LFS_POINTER:
        raise ModelError(f"{spec}: not a checkpoint but a Git LFS pointer to one. Fetch it: git lfs pull.")
    if path.suffix.lower() == ".safetensors":
        try:
            return checkpoint_of(load_file(path), spec)
        except Exception as error:  # errors of safetensors, and of types missing in torch
            raise ModelError(f"{spec}: not a safetensors file, or a damaged one.") from error
    return checkpoint_of(_unpickle(path, spec, trust_pickle), spec)


def _unpickle(path: Path, spec: str, trust: bool) -> Any:
    safe: list[Any] = [(kind, name) for name, kind in SAFE.items()]
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(safe):
            warnings.simplefilter("ignore")  # about pickle protocols; errors are handled below
            return torch.load(path, map_location="cpu", weights_only=not trust)
    except Exception as error:  # torch raises a dozen types for files that are not a checkpoint
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
            f"{HOW_TO_SAVE}, or {WITH_CODE}."
        ) from error
    if isinstance(error, pickle.UnpicklingError) and names:
        raise ModelError(
            f"{spec}: would run code when it is read ({listed(foreign or names, 3)}); nothing of it was run. "
            f"{HOW_TO_SAVE}, or, if you trust whoever made the file: --quba-trust-pickle."
        ) from error
    raise ModelError(f"{spec}: not a checkpoint that torch.save wrote, or a damaged one.") from error


def checkpoint_of(loaded: Any, spec: str) -> Checkpoint:
    """Find the weights in the content of a checkpoint file.

    Args:
        loaded: a state dict, or a mapping with one or more of them.
        spec: the model's spec, for messages.

    Raises:
        ModelError: it is a whole model or not a mapping, has no weights, or several sets without a usual key.
    """
    if isinstance(loaded, nn.Module):
        kind = f"{type(loaded).__module__}.{type(loaded).__qualname__}"
        raise ModelError(
            f"{spec}: holds a whole pickled model ({kind}), not a state dict. {HOW_TO_SAVE}, or {WITH_CODE}."
        )
    if not isinstance(loaded, Mapping):
        raise ModelError(
            f"{spec}: holds a value of type {type(loaded).__name__}, not a state dict. {HOW_TO_SAVE}."
        )
    if _is_state(loaded):
        return Checkpoint(_usable_weights(loaded, spec))
    parts = [part for part in (loaded, *loaded.values()) if isinstance(part, Mapping)]
    packed = next((str(key) for part in parts for key in part if PACKED in str(key)), None)
    if packed is not None:
        raise ModelError(
            f"{spec}: holds the packed weights of a quantised model, got the key {key_text(packed)}. Write a "
            f"function that quantises the model and loads them, and {WITH_CODE}."
        )
    states = dict(_states(loaded))
    if not states:
        contents = f"the keys {listed(map(key_text, loaded), 5)}" if loaded else "no keys at all"
        raise ModelError(f"{spec}: holds a dict without weights, got {contents}. {HOW_TO_SAVE}.")
    by_first_part = {key.partition(".")[0]: key for key in reversed(states)}
    key = next((by_first_part[name] for name in PREFERRED if name in by_first_part), None)
    if key is None and len(states) > 1:
        first = next(iter(states))
        raise ModelError(
            f"{spec}: holds several sets of weights, got {listed(states, 5)}. Save the one to judge in a "
            f"file of its own: torch.save(torch.load(FILE)['{first}'], NEW_FILE)."
        )
    key = key or next(iter(states))
    return Checkpoint(
        _usable_weights(states[key], spec),
        key,
        others=tuple(other for other in states if other != key),
        about={str(name): value for name, value in loaded.items() if str(name) != key.partition(".")[0]},
    )


def _states(loaded: Mapping[Any, Any]) -> Iterator[tuple[str, State]]:
    """Yield the state dicts under the keys of a mapping, or one level below."""
    for name, value in loaded.items():
        if _is_state(value):
            yield str(name), value
        elif isinstance(value, Mapping):
            parts = ((key, part) for key, part in value.items() if key in PREFERRED)
            yield from ((f"{name}.{key}", part) for key, part in parts if _is_state(part))


def _is_state(value: object) -> TypeGuard[State]:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(key, str) and isinstance(tensor, Tensor) for key, tensor in value.items())
    )


def _usable_weights(state: State, spec: str) -> State:
    """Return the weights if they are dense and have printable names.

    Raises:
        ModelError: a tensor is not dense, or its name cannot be shown.
    """
    usable = {name: tensor for name, tensor in state.items() if name not in COUNTERS}
    for name, tensor in usable.items():
        if len(name) > MAX_NAME_LENGTH or not name.isprintable():
            raise ModelError(
                f"{spec}: holds a tensor with a name that cannot be shown, got {key_text(name)}. "
                f"Allowed: up to {MAX_NAME_LENGTH} printable characters."
            )
        if form := unusual_form(tensor):
            raise ModelError(
                f"{spec}: its tensor '{name}' is {form}. Allowed: dense tensors of numbers. {HOW_TO_SAVE} "
                f"of a model with such tensors, or {WITH_CODE}."
            )
    return usable


def pickled_names(path: Path) -> tuple[str, ...]:
    """Return the dotted names that a pickle would import, in order, each once.

    Nothing of the pickle is run.

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
