"""A zero-shot model as a classifier: image tower and fixed text weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DERIVED = ("text_weights",)
"""Buffers whose last bits may depend on the machine; the digest `texts` identifies their content."""
_CROP_MODES = {"shortest": "center", "squash": "squash", "longest": "border"}
PADDING = "images that are not square are padded with the mean colour, where open_clip pads with black"


class ZeroShotClassifier(nn.Module):
    """Scores of images for classes that are defined by texts.

    Its parameters are those of the image tower, including the projection; everything else is buffers. Outputs
    are logits: scale · cos(image, text) + bias. That holds for SigLIP too, which applies a sigmoid to them.

    Args:
        image_tower: images to embeddings (N, D), or to a tuple that begins with them.
        text_weights: (C, D), rows of length 1.
        scale: factor of the cosines, already exponentiated.
        bias: added to the scaled cosines; 0 for models without one.
        runtime: name and version of open_clip.
        texts: digest of the text tower and its input.
    """

    fingerprint_name: ClassVar[str] = "quba_check.models.zero_shot.ZeroShotClassifier"
    text_weights: Tensor
    scale: Tensor
    bias: Tensor

    def __init__(
        self,
        image_tower: nn.Module,
        text_weights: Tensor,
        *,
        scale: Tensor,
        bias: Tensor,
        runtime: str,
        texts: str,
    ) -> None:
        super().__init__()
        self.image_tower = image_tower
        self.runtime = runtime
        self.texts = texts
        self.register_buffer("text_weights", text_weights)
        self.register_buffer("scale", scale)
        self.register_buffer("bias", bias)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, C) of normalised images."""
        embedded = self.image_tower(images)
        embedded = embedded[0] if isinstance(embedded, tuple) else embedded
        # Always in float32: a factor of 100 would turn the rounding of bf16 into other answers.
        with torch.autocast(images.device.type, enabled=False):
            cosines = F.normalize(embedded.float(), dim=-1) @ self.text_weights.T
            return self.scale * cosines + self.bias


def config_of_open_clip(config: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Convert open_clip's preprocessing config to the keys of quba-check, with notes on differences.

    Args:
        config: `size`, `mean`, `std`, `interpolation`, `resize_mode`, as in open_clip.

    >>> values, _ = config_of_open_clip({"size": 224, "mean": 0.5, "std": 0.5, "resize_mode": "squash"})
    >>> values["input_size"], values["crop_mode"], values["interpolation"]
    ((3, 224, 224), 'squash', 'bicubic')
    """
    size = config["size"]
    height, width = map(int, (size, size) if isinstance(size, int) else size)
    resize_mode = config.get("resize_mode") or "shortest"
    # open_clip has two filters; for inputs that are not square it always uses bicubic.
    is_bilinear = config.get("interpolation") == "bilinear" and (height == width or resize_mode != "shortest")
    values = {
        "input_size": (3, height, width),
        "mean": _triple(config["mean"]),
        "std": _triple(config["std"]),
        "interpolation": "bilinear" if is_bilinear else "bicubic",
        "crop_pct": 1.0,
        "crop_mode": _CROP_MODES[resize_mode],
        "outputs": "logits",
    }
    return values, (PADDING,) if resize_mode == "longest" else ()


def _triple(values: Any) -> tuple[float, float, float]:
    red, green, blue = (values,) * 3 if isinstance(values, (int, float)) else values
    return float(red), float(green), float(blue)
