"""The result of a loader: a module on the CPU and its properties."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from quba_check.models.model_files import ModelFile
from quba_check.models.preprocessing.config import PreprocessingConfig
from quba_check.models.request import Precision


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of a model as counted by its loader.

    Attributes:
        parameters: their number; None: that of the module's own parameters.
        size: bytes of the weights as stored; None: those of the module, or unknown for programs.
        uncounted: reason why the parameters cannot be counted; empty if they can.
        hidden: weights outside of the module's parameters that enter the fingerprint, by name.
        notes: notes on the number for the record.
    """

    parameters: int | None = None
    size: int | None = None
    uncounted: str = ""
    hidden: Mapping[str, Tensor] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadedModule:
    """A module as loaded: on the CPU, not yet in eval mode.

    Attributes:
        module: the module that classifies.
        architecture: its timm name without a tag, or empty.
        config_source: name of its own preprocessing config in reports; empty for `pretrained_cfg`.
        sources: files that define the module, apart from its tensors.
        code: `code_digest` of the user's code behind it; empty if there is none.
        configs: preprocessing and outputs stated outside of the module; the last one wins.
        notes: notes for the record.
        weights: its weights.
        device: where it runs, if not on the requested device.
        precision: precision of its passes, if not the requested one.
        no_gradient: reason why no gradient passes through it; empty if one may.
        derived: names of tensors that are computed from the others. They are left out of the fingerprint,
            since their last bits depend on the machine.
        is_program: True for exported programs, which run as they are.
        takes_single_images: True if an image's answer depends on the rest of its batch.
        files: the files that it was loaded from, the weights first; none if they are not known.
        output_step: step of quantised outputs that may be probabilities; 0 for others.
    """

    module: nn.Module
    architecture: str = ""
    config_source: str = ""
    sources: tuple[Path, ...] = ()
    code: str = ""
    configs: tuple[PreprocessingConfig, ...] = ()
    notes: tuple[str, ...] = ()
    weights: Weights = Weights()
    device: torch.device | None = None
    precision: Precision | None = None
    no_gradient: str = ""
    derived: tuple[str, ...] = ()
    files: tuple[ModelFile, ...] = ()
    is_program: bool = False
    takes_single_images: bool = False
    output_step: float = 0.0


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide warnings and log messages of libraries; errors and notes cover what matters of them."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
