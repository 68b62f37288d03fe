"""Reading of checkpoint files without running the code in them.

Next to the weights they hold what training scripts stored: the architecture and the preprocessing.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, TypeGuard

import numpy as np
import torch
from safetensors.torch import load_file
from timm.data import resolve_data_config
from torch import Tensor

from quba_check.errors import ModelError
from quba_check.messages import listed
from quba_check.models.errors import error_summary, model_errors, quiet
from quba_check.models.identity.state import unusual_form
from quba_check.models.preprocessing.config import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    KEYS,
    PreprocessingConfig,
    crop_share,
    key_text,
    preprocessing_config,
    short_repr,
)
from quba_check.models.specs import WITH_CODE

State = dict[str, Tensor]

HOW_TO_SAVE = "Save the weights with torch.save(model.state_dict(), FILE)"
PREFERRED = ("state_dict_ema", "model_ema", "state_dict", "model", "model_state_dict")
"""Keys of weights, in order of preference. Averaged weights come first, as in timm."""
MAX_NAME_LENGTH = 500
_PACKED = "._packed_params"
"""End of the names under which torch's quantised modules save their weights."""
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
_PLAIN = ("torch.", "collections.", "_codecs.", "numpy.", "builtins.", "__builtin__.")
ARGUMENTS = ("args", "hyper_parameters", "hparams", "config", "cfg")
"""Keys for the arguments of training scripts; timm and torchvision use the first."""
NAMES = ("architecture", "arch", "model_name", "model", "backbone", "encoder_name")
"""Arguments that name the architecture, the most specific first."""
_TIMM = ("input_size", "img_size", "interpolation", "mean", "std", "crop_pct", "crop_mode")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The weights of a checkpoint, and its other content.

    Attributes:
        state: tensors by name.
        key: key of the weights, such as `state_dict_ema`; empty if the file holds nothing else.
        others: keys of further weights, which are not used.
        metadata: everything else by its key.
    """

    state: State
    key: str = ""
    others: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def named_architectures(self) -> list[tuple[str, str]]:
        """The architectures that the metadata names and their places, the most specific name first."""
        config = self.metadata.get("pretrained_cfg")
        places = {name: self.metadata.get(name) for name in ("architecture", "arch")}
        places["pretrained_cfg"] = config.get("architecture") if isinstance(config, Mapping) else None
        for where in ARGUMENTS:
            arguments = self._arguments(where)
            places |= {f"{where}.{name}": arguments.get(name) for name in NAMES}
        return [
            (name, f"'{place}'")
            for place, name in places.items()
            if isinstance(name, str) and name and name == key_text(name)
        ]

    @property
    def model_arguments(self) -> dict[str, Any]:
        """The arguments of the architecture, from `--model-kwargs` of timm's `train.py`."""
        arguments = self._arguments("args").get("model_kwargs")
        return {str(key): value for key, value in arguments.items()} if isinstance(arguments, Mapping) else {}

    def preprocessing(self, spec: str) -> tuple[PreprocessingConfig | None, list[str]]:
        """Return the evaluation preprocessing in the metadata, and notes on unusable values.

        The sources are a `pretrained_cfg`, else the arguments of torchvision's reference scripts or of timm's
        `train.py`. Values that timm's script left to the architecture are left to it here too.

        Args:
            spec: the model's spec, for messages.
        """
        config = self.metadata.get("pretrained_cfg")
        if isinstance(config, Mapping) and config:
            # timm replaces zeros by its defaults, and fails on other unusable values.
            own = {key: config[key] for key in KEYS if config.get(key) is not None}
            unusable = {key: value for key, value in own.items() if not KEYS[key][0](value)}
            usable_rest = {key: value for key, value in config.items() if key not in unusable}
            # timm rejects an empty config.
            settings = resolve_data_config(pretrained_cfg={"url": "", **usable_rest}) | unusable
            source = f"pretrained_cfg in {spec}"
        else:
            arguments = self._arguments("args")
            settings = _torchvision_config(arguments) or _timm_config(arguments)
            source = f"args in {spec}"
        usable = {name: value for name, value in settings.items() if name in KEYS and KEYS[name][0](value)}
        notes = [
            f"{name} of {source} cannot be used and is ignored, got {short_repr(value)}"
            for name, value in settings.items()
            if name not in usable
        ]
        stated = preprocessing_config(usable, where=source, source=source, departs=True) if usable else None
        return stated, notes

    def _arguments(self, where: str) -> Mapping[str, Any]:
        arguments = self.metadata.get(where)
        if isinstance(arguments, argparse.Namespace):
            return vars(arguments)
        return arguments if isinstance(arguments, Mapping) else {}


def read_checkpoint(path: Path, *, spec: str, trust_pickle: bool = False) -> Checkpoint:
    """Read a checkpoint with its tensors on the CPU.

    Args:
        path: an existing file: safetensors by its suffix, else of `torch.save`.
        spec: the model's spec, for messages.
        trust_pickle: let the file run code while it is read; otherwise such a file is refused.

    Raises:
        ModelError: the file is damaged, is not a checkpoint, would run code, or holds no state dict.
    """
    if path.suffix.lower() == ".safetensors":
        with model_errors("not a safetensors file, or a damaged one:", where=spec):
            return checkpoint_of(load_file(path), spec)
    return checkpoint_of(_unpickle(path, spec, trust_pickle), spec)


def _unpickle(path: Path, spec: str, trust: bool) -> Any:
    safe: list[Any] = [(kind, name) for name, kind in SAFE.items()]
    try:
        with quiet(), torch.serialization.safe_globals(safe):
            return torch.load(path, map_location="cpu", weights_only=not trust)
    except Exception as error:  # torch raises a dozen types for files that are not a checkpoint
        if trust:
            raise ModelError(
                f"cannot be read as a checkpoint ({error_summary(error)}).", where=spec
            ) from error
        with torch.serialization.safe_globals(safe):
            names = foreign_names(path, str(error))
        foreign = [name for name in names if not name.startswith(_PLAIN)] or names
        problem = "not a checkpoint that torch.save wrote, or a damaged one"
        hint = ""
        if names:
            problem = f"would run code when it is read ({listed(foreign, 3)}); nothing of it was run"
            hint = f"{HOW_TO_SAVE}, or, if you trust whoever made the file: --quba-trust-pickle."
        if any(name.startswith("torch.nn.modules.") for name in names):
            problem = "holds a whole pickled model, not a state dict; nothing of it was run"
            hint = f"{HOW_TO_SAVE}, or {WITH_CODE}."
        raise ModelError(f"{problem}.", where=spec, hint=hint) from error


def checkpoint_of(loaded: Any, spec: str) -> Checkpoint:
    """Find the weights in the content of a checkpoint file.

    Args:
        loaded: a state dict, or a mapping with one or more of them.
        spec: the model's spec, for messages.

    Raises:
        ModelError: it is not a mapping, has no plain weights, or several sets without a usual key.
    """
    error = partial(ModelError, where=spec)
    save = f"{HOW_TO_SAVE}, or {WITH_CODE}."
    if not isinstance(loaded, Mapping):
        raise error(f"holds a value of type {type(loaded).__name__}, not a state dict", hint=save)
    if _is_state(loaded):
        return Checkpoint(_usable_weights(loaded, spec))
    states = dict(_states(loaded))
    levels = (loaded, *(value for value in loaded.values() if isinstance(value, Mapping)))
    if any(str(name).endswith(_PACKED) for level in levels for name in level):
        raise error(
            "holds the state dict of a quantised module, which no architecture of timm takes",
            hint=f"Write a function that builds and quantises the model and loads the file, and {WITH_CODE}.",
        )
    if not states:
        contents = f"the keys {listed(map(key_text, loaded), 5)}" if loaded else "no keys at all"
        raise error("holds a dict without weights", got=contents, hint=save)
    by_first_part = {key.partition(".")[0]: key for key in reversed(states)}
    key = next((by_first_part[name] for name in PREFERRED if name in by_first_part), None)
    if key is None and len(states) > 1:
        first = next(iter(states))
        raise error(
            "holds several sets of weights",
            got=listed(states, 5),
            hint=f"Save the one to judge in a file of its own: torch.save(torch.load(FILE)['{first}'], "
            "NEW_FILE).",
        )
    key = key or next(iter(states))
    return Checkpoint(
        _usable_weights(states[key], spec),
        key,
        others=tuple(other for other in states if other != key),
        metadata={str(name): value for name, value in loaded.items() if str(name) != key.partition(".")[0]},
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
                "holds a tensor with a name that cannot be shown",
                where=spec,
                got=key_text(name),
                allowed=f"up to {MAX_NAME_LENGTH} printable characters",
            )
        form = unusual_form(tensor)
        if form:
            raise ModelError(
                f"its tensor '{name}' is {form}",
                where=spec,
                allowed="dense tensors of numbers",
                hint=f"{HOW_TO_SAVE} of a model with such tensors, or {WITH_CODE}.",
            )
    return usable


def foreign_names(path: Path, error: str = "") -> list[str]:
    """Return the names that a pickle would import, without those that are always allowed.

    Nothing of the pickle is run. Of formats older than torch 1.6, the name that torch refused.

    Args:
        path: the file; other formats have no names.
        error: the text with which torch refused it.
    """
    try:
        return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except Exception:  # noqa: BLE001  another format, or a damaged file
        return re.findall(r"GLOBAL ([\w.]+)", error)


def _timm_config(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of timm's script under the names in `KEYS`."""
    config = {name: arguments[name] for name in _TIMM if arguments.get(name) not in (None, "")}
    size = config.pop("img_size", None)
    if size is not None and "input_size" not in config:
        sides = tuple(size) if isinstance(size, (list, tuple)) else (size, size)
        config["input_size"] = (arguments.get("in_chans") or 3, *sides)
    return config


def _torchvision_config(arguments: Mapping[str, Any]) -> dict[str, Any]:
    crop = arguments.get("val_crop_size")
    resize = arguments.get("val_resize_size")
    if not isinstance(crop, int) or not isinstance(resize, int) or resize < crop or crop < 1:
        return {}
    return {
        "input_size": (3, crop, crop),
        "interpolation": arguments.get("interpolation", "bilinear"),
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
        "crop_pct": crop_share(crop, resize),
    }
