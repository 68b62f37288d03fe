"""Loading of models by their specs, models of modules, and the messages of those that are refused."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from support.errors import error_text
from torch import nn

from quba_check.core.classes import Head
from quba_check.core.facts import ModelFacts
from quba_check.errors import QubaError
from quba_check.models.classifier import Classifier
from quba_check.models.loading import load_classifier
from quba_check.models.preprocessing.preprocessing import Preprocessing
from quba_check.models.request import LoadRequest

TEN = tuple("abcdefghij")
THREE = ("red", "green", "blue")
OR_CODE = "give --model=package.module:callable (docs/models.md)."
"""End of the messages about models without a kind of their own."""


def load(spec: str | Path, classes: Sequence[str] = TEN, **options: object) -> Classifier:
    """Load a model on the CPU, for ten classes if none are given."""
    return load_classifier(str(spec), LoadRequest(classes=tuple(classes), **{"device": "cpu"} | options))


def message(call: Callable[..., object], *arguments: object, **options: object) -> str:
    """Return the message of the error that a call raises."""
    return error_text(QubaError, call, *arguments, **options)


def refusal(spec: str | Path, classes: Sequence[str] = TEN, **options: object) -> str:
    """Return the message of the error that loading a model raises; of a path its last part."""
    text = message(load, spec, classes, **options)
    return text.replace(f"{spec.parent}/", "") if isinstance(spec, Path) else text


def of_module(
    module: nn.Module, classes: int = 3, *, kind: type[Classifier] = Classifier, **changes: Any
) -> Classifier:
    """Return a classifier of a module for images of 8 × 8 pixels on the CPU."""
    fields = {
        "spec": "zoo:net",
        "name": "net",
        "preprocessing": prepared(input_size=(3, 8, 8), crop_pct=1.0),
        "fingerprint": "f",
        "checksum": "",
        "device": torch.device("cpu"),
        "facts": ModelFacts(0, 0),
    }
    return kind(module=module.eval(), head=Head(classes), **fields | changes)


def prepared(**changes: Any) -> Preprocessing:
    """Return a preprocessing with some values changed."""
    fields = {
        "input_size": (3, 48, 48),
        "interpolation": "bilinear",
        "mean": (0.5, 0.4, 0.3),
        "std": (0.2, 0.3, 0.25),
        "crop_pct": 0.875,
        "crop_mode": "center",
        "source": "a test",
    }
    return Preprocessing(**{**fields, **changes})


def images(count: int, side: int = 8) -> torch.Tensor:
    """Return normalised random images, the same for the same number of them."""
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(count))


def size(module: nn.Module) -> int:
    """Return the number of parameters of a module."""
    return sum(parameter.numel() for parameter in module.parameters())
