"""What training scripts save: the weights among optimizers, counters and arguments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from quba_check.errors import ModelError, listed
from quba_check.models.fingerprint import unusual_form
from quba_check.models.preprocessing.config import key_text

State = dict[str, Tensor]

HOW_TO_SAVE = "Save the weights with torch.save(model.state_dict(), FILE)"
PREFERRED = ("state_dict_ema", "model_ema", "state_dict", "model", "model_state_dict")
"""Where weights are looked for first; averaged ones before the last step's, as timm does."""
LONGEST_NAME = 500
COUNTERS = ("n_averaged",)
"""What torch's `AveragedModel` saves beside its weights."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The weights of a checkpoint, and what it holds besides.

    Attributes:
        state: tensors by name.
        key: where they were among other things, such as `state_dict_ema`; empty where they are all there is.
        others: where further weights are, which were not taken.
        about: everything else, by its key.
    """

    state: State
    key: str = ""
    others: tuple[str, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)


def checkpoint_of(loaded: Any, spec: str) -> Checkpoint:
    """The weights in what a checkpoint file held.

    Args:
        loaded: a state dict, or a mapping with one or more in it.
        spec: the model's spec, for messages.

    Raises:
        ModelError: a whole model, no mapping, no weights, or several sets of them with no usual name.
    """
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
    if _is_state(loaded):
        return Checkpoint(_usable_weights(_weights(loaded), spec))
    found = dict(_states(loaded))
    if not found:
        raise ModelError(f"{spec}: holds a dict without weights, got {_contents(loaded)}. {HOW_TO_SAVE}.")
    key = next((name for name in PREFERRED for where in found if where.split(".")[0] == name), None)
    taken = next((where for where in found if where.split(".")[0] == key), None)
    if taken is None and len(found) > 1:
        first = next(iter(found))
        raise ModelError(
            f"{spec}: holds several sets of weights, got {listed(found, 5)}. Save the one to judge in a file "
            f"of its own: torch.save(torch.load(FILE)['{first}'], NEW_FILE)."
        )
    taken = taken or next(iter(found))
    about = {str(name): value for name, value in loaded.items() if str(name) != taken.split(".")[0]}
    return Checkpoint(
        _usable_weights(found[taken], spec), taken, tuple(where for where in found if where != taken), about
    )


def _states(loaded: Mapping[Any, Any]) -> Iterator[tuple[str, State]]:
    """State dicts under the keys of a mapping, or one level below them."""
    for name, value in loaded.items():
        if not isinstance(value, Mapping):
            continue
        if _is_state(value):
            yield str(name), _weights(value)
        else:
            inner = {key: part for key, part in value.items() if isinstance(part, Mapping)}
            yield from (
                (f"{name}.{key}", _weights(part))
                for key, part in inner.items()
                if key in PREFERRED and _is_state(part)
            )


def _is_state(value: Mapping[Any, Any]) -> bool:
    return bool(value) and all(
        isinstance(key, str) and isinstance(tensor, Tensor) for key, tensor in value.items()
    )


def _usable_weights(state: State, spec: str) -> State:
    """Return the weights if they are dense and have printable names.

    Raises:
        ModelError: a tensor is not dense, or its name cannot be shown.
    """
    for name, tensor in state.items():
        if len(name) > LONGEST_NAME or not name.isprintable():
            raise ModelError(
                f"{spec}: holds a tensor with a name that cannot be shown, got {key_text(name)}. "
                f"Allowed: up to {LONGEST_NAME} printable characters."
            )
        if form := unusual_form(tensor):
            raise ModelError(
                f"{spec}: its tensor '{name}' is {form}. Allowed: dense tensors of numbers. {HOW_TO_SAVE} "
                "of a model with such tensors."
            )
    return state


def _weights(state: Mapping[str, Tensor]) -> State:
    return {name: tensor for name, tensor in state.items() if name not in COUNTERS}


def _contents(loaded: Mapping[Any, Any]) -> str:
    return f"the keys {listed(map(key_text, loaded), 5)}" if loaded else "no keys at all"
