"""Other ways to resize and crop."""

from __future__ import annotations

from dataclasses import replace

from quba_check.doctor.subject import Variant
from quba_check.doctor.successive_halving import Candidate

_CROPS = (0.875, 0.95, 1.0)
_INTERPOLATIONS = ("bilinear", "bicubic", "nearest")
_SIDES = (32, 64, 128, 224, 384)


def candidates(usual: Variant) -> list[Candidate]:
    """Crops, filters and sizes in common use, each alone changed in the preparation in use."""
    now = usual.preprocessing
    changes: dict[str, dict[str, object]] = {
        f"crop_pct {crop:g}": {"crop_pct": crop} for crop in _CROPS if crop != now.crop_pct
    }
    if now.crop_mode != "squash":
        changes["crop_mode squash"] = {"crop_mode": "squash", "crop_pct": 1.0}
    changes |= {
        f"interpolation {filter_}": {"interpolation": filter_}
        for filter_ in _INTERPOLATIONS
        if filter_ != now.interpolation
    }
    changes |= {
        f"{side} × {side} pixels": {"input_size": (3, side, side)}
        for side in _SIDES
        if now.input_size != (3, side, side) and side <= 2 * max(now.input_size)
    }
    return [
        Candidate(words, replace(usual, preprocessing=replace(now, **change)))  # type: ignore[arg-type]
        for words, change in changes.items()
    ]
