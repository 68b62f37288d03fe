"""The network of the demonstration and its shipped weights."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor, nn

from quba_check.demo import CLASSES, IMAGE_SIZE

PREPROCESSING: dict[str, Any] = {
    "input_size": (3, IMAGE_SIZE, IMAGE_SIZE),
    "mean": (0.5, 0.5, 0.5),
    "std": (0.25, 0.25, 0.25),
    "interpolation": "bilinear",
    "crop_pct": 1.0,
}
"""How images are prepared for it, in timm's terms."""


class DemoNetwork(nn.Module):
    """Five convolutions and a linear layer, in which each output sees most of the image.

    Args:
        width: channels of the first layer; 16 gives 46 thousand parameters.

    Attributes:
        quba_config: how images are to be prepared.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.quba_config = dict(PREPROCESSING)
        channels = [3, width, width * 3 // 2, width * 2, width * 3, width * 3]
        kernels = (5, 3, 3, 3, 3)
        strides = (2, 2, 1, 2, 1)
        layers: list[nn.Module] = []
        for (before, after), kernel, stride in zip(pairwise(channels), kernels, strides, strict=True):
            layers += [
                nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(inplace=True),
            ]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(channels[-1], len(CLASSES))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, 10) for normalised images (N, 3, 48, 48)."""
        features: Tensor = self.features(images)
        logits: Tensor = self.head(features.mean(dim=(2, 3)))
        return logits


def demo_module(name: str) -> DemoNetwork:
    """A shipped model, in eval mode.

    Args:
        name: one of `DEMO_MODELS`.
    """
    return network_of(load_file(demo_weights(name)))


def demo_weights(name: str) -> Path:
    """Return the file with the weights of a shipped model."""
    return Path(__file__).with_name(f"{name}.safetensors")


def network_of(weights: dict[str, Tensor]) -> DemoNetwork:
    """The network that some weights belong to, in eval mode."""
    network = DemoNetwork(width=weights["features.0.weight"].shape[0])
    network.load_state_dict(weights)
    return network.eval()
