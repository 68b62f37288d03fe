"""Preprocessings, and timm's own evaluation transform to compare with."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from timm.data import create_transform
from timm.data.transforms import str_to_interp_mode
from torchvision import transforms

from quba_check.models.preprocessing.preprocessing import Preprocessing


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


def timm_transform(preprocessing: Preprocessing, *, crop: bool = True) -> Any:
    """Return the transform, without scaling to [0, 1] and normalisation."""
    if crop:
        settings = asdict(preprocessing)
        del settings["source"], settings["temperature"], settings["pipeline"]
        return create_transform(**settings, is_training=False, normalize=False)
    resize = transforms.Resize(preprocessing.input_size[1:], str_to_interp_mode(preprocessing.interpolation))
    return transforms.Compose([resize, transforms.PILToTensor()])
