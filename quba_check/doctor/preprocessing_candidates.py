"""Normalisations that models are commonly made for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from timm.data import (
    IMAGENET_DEFAULT_MEAN,
    IMAGENET_DEFAULT_STD,
    IMAGENET_INCEPTION_MEAN,
    IMAGENET_INCEPTION_STD,
    OPENAI_CLIP_MEAN,
    OPENAI_CLIP_STD,
)
from torch import nn

from quba_check.doctor.subject import Variant
from quba_check.doctor.successive_halving import Candidate
from quba_check.models.preprocessing.preprocessing import Preprocessing, Triple

_BYTES = (1 / 255, 1 / 255, 1 / 255)
NONE: tuple[Triple, Triple] = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
NORMALISATIONS: dict[str, tuple[Triple, Triple]] = {
    "ImageNet's": (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD),
    "0.5/0.5": (IMAGENET_INCEPTION_MEAN, IMAGENET_INCEPTION_STD),
    "CLIP's": (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD),
    "none": NONE,
    "none, on values from 0 to 255": ((0.0, 0.0, 0.0), _BYTES),
}
_CAFFE: tuple[Triple, Triple] = (IMAGENET_DEFAULT_MEAN, _BYTES)
_CLOSE = 0.02


def normalised(preprocessing: Preprocessing, values: tuple[Triple, Triple]) -> Preprocessing:
    """A preparation with another mean and standard deviation."""
    return replace(preprocessing, mean=values[0], std=values[1])


def candidates(usual: Variant) -> list[Candidate]:
    """The known normalisations other than the one in use."""
    now = usual.preprocessing
    others = {
        words: values for words, values in NORMALISATIONS.items() if not is_close(values, (now.mean, now.std))
    }
    return [Candidate(words, Variant(normalised(now, values))) for words, values in others.items()]


def bgr_candidates(usual: Variant) -> list[Candidate]:
    """Blue, green, red: with the normalisation in use, and as Caffe's models have it."""
    now = usual.preprocessing
    return [
        Candidate("blue, green, red", Variant(now, is_bgr=True)),
        Candidate("blue, green, red, on values from 0 to 255", Variant(normalised(now, _CAFFE), is_bgr=True)),
    ]


def is_close(one: tuple[Triple, Triple], other: tuple[Triple, Triple]) -> bool:
    """Whether two normalisations are the same but for rounding."""
    pairs = zip((*one[0], *one[1]), (*other[0], *other[1]), strict=True)
    return all(abs(a - b) <= _CLOSE * max(abs(a), abs(b)) + 1e-6 for a, b in pairs)


def own_normalisation(module: nn.Module) -> str | None:
    """The name of a part or tensor of a module that looks like a mean of three channels; None without one."""
    known = [values[0] for words, values in NORMALISATIONS.items() if not words.startswith("none")]
    for name, value in _triples(module):
        if any(is_close((value, value), (mean, mean)) for mean in known):
            return name
    return None


def _triples(module: nn.Module) -> Iterator[tuple[str, Triple]]:
    for name, part in module.named_modules():
        held: dict[str, Any] = {**vars(part), **part._buffers, **part._parameters}
        for key, value in held.items():
            numbers = value.detach().flatten().tolist() if isinstance(value, torch.Tensor) else value
            if isinstance(numbers, (list, tuple)) and len(numbers) == 3:
                scale = 255 if all(isinstance(x, (int, float)) and x > 1 for x in numbers) else 1
                if all(isinstance(x, (int, float)) for x in numbers):
                    r, g, b = (float(x) / scale for x in numbers)
                    yield f"{name}.{key}" if name else key, (r, g, b)
