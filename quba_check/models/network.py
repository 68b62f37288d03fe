"""What loaders are asked for, and what they hand over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from quba_check.models.device import Precision
from quba_check.models.vocabulary import Statement
from quba_check.protocol.head import Head
from quba_check.protocol.prompts import Prompts


@dataclass(frozen=True, slots=True)
class Loading:
    """How a model is loaded; the fields are the arguments of `specs.load_classifier`.

    Attributes:
        head: the outputs that the suite expects; `names` are those of its classes.
    """

    head: Head
    names: tuple[str, ...] = ()
    prompts: Prompts = field(default_factory=Prompts)
    image_size: int | None = None
    arch: str | None = None
    preparation: Statement | None = None
    device: str = "auto"
    precision: str = "auto"
    trust_pickle: bool = False
    worker: int | None = None
    cache: Path | None = None
    tell: Callable[[str], None] | None = None

    @property
    def classes(self) -> int:
        """Number of outputs that the model must have."""
        return self.head.size


@dataclass(frozen=True, slots=True)
class Network:
    """A module as its loader found it: on the CPU, not yet in eval mode.

    Attributes:
        module: the module that classifies.
        architecture: its timm name, or empty.
        sources: files of the user's own whose content makes it what it is, besides its tensors.
        statements: what is said of its preparation and outputs elsewhere than on the module; the last wins.
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
    statements: tuple[Statement, ...] = ()
    notes: tuple[str, ...] = ()
    parameters: int | None = None
    device: torch.device | None = None
    precision: Precision | None = None
    no_gradient: str = ""
    derived: tuple[str, ...] = ()
