"""What loaders are asked for, and what they hand over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from quba_check.core.head import Head
from quba_check.core.prompts import Prompts
from quba_check.models.device import Precision
from quba_check.models.preprocessing.config import PreprocessingConfig


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """How a model is loaded; the fields are the arguments of `load_classifier`.

    Attributes:
        head: the outputs that the suite expects; `names` are those of its classes.
    """

    head: Head
    names: tuple[str, ...] = ()
    prompts: Prompts = field(default_factory=Prompts)
    image_size: int | None = None
    arch: str | None = None
    preprocessing: PreprocessingConfig | None = None
    device: str = "auto"
    precision: str = "auto"
    trust_pickle: bool = False
    worker: int | None = None
    cache: Path | None = None
    tell: Callable[[str], None] | None = None

    @property
    def classes(self) -> int:
        """Required number of outputs of the model."""
        return self.head.size


@dataclass(frozen=True, slots=True)
class LoadedModule:
    """A module as its loader found it: on the CPU, not yet in eval mode.

    Attributes:
        module: the module that classifies.
        architecture: its timm name, or empty.
        sources: files of the user's own whose content makes it what it is, besides its tensors.
        configs: what is said of its preparation and outputs elsewhere than on the module; the last wins.
        notes: remarks for the record on how it was found.
        parameters: number of parameters, where the module does not hold them as its own.
        device: where it runs, if it cannot run where it was asked to.
        precision: of its passes, if it does not compute in the one that was asked for.
        no_gradient: why no gradient passes through it; empty where one may.
        derived: its tensors that are computed from what its other parts tell already, on whatever machine:
            their bits are no part of the fingerprint.
    """

    module: nn.Module
    architecture: str = ""
    sources: tuple[Path, ...] = ()
    configs: tuple[PreprocessingConfig, ...] = ()
    notes: tuple[str, ...] = ()
    parameters: int | None = None
    device: torch.device | None = None
    precision: Precision | None = None
    no_gradient: str = ""
    derived: tuple[str, ...] = ()


def count_weights(module: nn.Module, values: Iterable[object], *, spec: str) -> tuple[int, tuple[str, ...]]:
    """Return the number of a program's weights, and a note on those outside its parameters.

    Args:
        module: the program; its parameters are counted once each.
        values: further values that it reads, such as constants and buffers: tensors, numbers, and lists and
            dicts of them. Integers wider than 8 bits are indices and do not count, nor do single numbers.
        spec: the model's spec, for the note.
    """
    own = {_place(parameter): parameter.numel() for parameter in module.parameters()}
    others: dict[object, int] = {}
    for value in values:
        if isinstance(value, (list, tuple)) and all(isinstance(number, float) for number in value):
            others[tuple(value)] = len(value) if len(value) > 1 else 0
        for tensor in _tensors(value):
            if _place(tensor) not in own and tensor.numel() > 1 and _is_weight(tensor):
                others[_place(tensor)] = tensor.numel()
    total = sum(own.values()) + sum(others.values())
    if own and not any(others.values()):
        return total, ()
    if not own:
        return total, (f"{spec} is frozen: parameters counts the {total:,} numbers of its constants",)
    return total, (
        f"parameters counts {sum(others.values()):,} numbers that {spec} holds as constants or buffers, too",
    )


def _tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple, Mapping)):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _tensors(part)


def _is_weight(tensor: Tensor) -> bool:
    kinds = (torch.int8, torch.uint8)
    return tensor.dtype in kinds or tensor.is_floating_point() or tensor.is_complex() or tensor.is_quantized


def _place(tensor: Tensor) -> object:
    """Return a key that is equal for tensors with the same memory, shape and dtype."""
    return tensor.data_ptr(), tuple(tensor.shape), tensor.dtype
