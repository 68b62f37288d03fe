"""A tiny data folder in the published ImageNet-family layout, and a network that half knows its classes.

Every class has a pattern of 4 × 4 coloured cells; an image is the pattern of its class plus noise, drawn at
some size. The network averages cells and compares them with the patterns, so that it is right on many images
and wrong on many, whatever is done to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from timm.data import ImageNetInfo
from torch import nn

from quba_check.core.view import CORRUPTIONS, SEVERITIES

SIDE = 16
"""Input size of the network, and the size at which most prepared sets are stored."""
CONFIG = {
    "input_size": (3, SIDE, SIDE),
    "mean": (0.4, 0.45, 0.5),
    "std": (0.25, 0.3, 0.35),
    "interpolation": "bicubic",
    "crop_pct": 0.875,
}
COUNTS = {"forward": 0, "backward": 0}
CLASS_COUNT = 1000
CELLS = (4, 4, 3)
CONTRAST = 0.12
HIDDEN = 64
SHARPNESS = 12.0

CATEGORIES = {
    "airplane": 404, "bear": 295, "bicycle": 671, "bird": 15, "boat": 472, "bottle": 898, "car": 817,
    "cat": 282, "chair": 423, "clock": 892, "dog": 207, "elephant": 385, "keyboard": 508, "knife": 499,
    "oven": 766, "truck": 867,
}  # fmt: skip
"""The sixteen categories of model-vs-human, each with one of its ImageNet classes."""
NINE = {
    "00_dog": 207, "01_bird": 15, "02_wheeled vehicle": 817, "03_reptile": 40, "04_carnivore": 282,
    "05_insect": 310, "06_musical instrument": 402, "07_primate": 370, "08_fish": 1,
}  # fmt: skip
"""The folders of ImageNet-9, each with one of its ImageNet classes."""


class Counted(torch.autograd.Function):
    """Counts the images of forward and backward passes."""

    @staticmethod
    def forward(ctx, images):
        COUNTS["forward"] += len(images)
        return images.clone()

    @staticmethod
    def backward(ctx, gradient):
        COUNTS["backward"] += len(gradient)
        return gradient


class Network(nn.Module):
    """Batch norm, cells averaged, a hidden layer, and the similarity to the hidden state of every pattern.

    A black image leaves every unit at 0, so that all its logits are exactly equal.
    """

    quba_config = CONFIG

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.norm = nn.BatchNorm2d(3)
        self.norm.running_mean.copy_(torch.tensor([-1.5, -1.4, -1.3]))
        self.norm.running_var.copy_(torch.tensor([1.1, 0.9, 1.2]))
        self.hidden = nn.Linear(48, HIDDEN, bias=False)
        self.head = nn.Linear(HIDDEN, CLASS_COUNT, bias=False)
        with torch.no_grad():
            drawn = [drawing(pattern, (SIDE, SIDE)) for pattern in patterns()]
            scaled = torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2) / 255
            mean, std = (torch.tensor(CONFIG[name]).view(3, 1, 1) for name in ("mean", "std"))
            cells = self.eval()._cells((scaled - mean) / std)
            weight = torch.randn(HIDDEN, 48, generator=generator) / 8
            usual = cells.mean(dim=0, keepdim=True)
            self.hidden.weight.copy_(weight - weight @ usual.T @ usual / usual.square().sum())
            known = torch.tanh(self.hidden(cells))
            self.head.weight.copy_(SHARPNESS * known / known.norm(dim=1, keepdim=True))
        self.train()
        self.norm.bias.requires_grad_(False)

    def _cells(self, images: torch.Tensor) -> torch.Tensor:
        return nn.functional.adaptive_avg_pool2d(torch.relu(self.norm(images)), 4).flatten(1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(self.hidden(self._cells(Counted.apply(images)))))


def network() -> nn.Module:
    """A fresh network, always the same: the callable of a model spec."""
    return Network()


def patterns() -> np.ndarray:
    """(1000, 4, 4, 3) the classes' patterns, in units of the contrast."""
    return np.random.default_rng(17).normal(size=(CLASS_COUNT, *CELLS))


def drawing(pattern: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(height, width, 3) uint8: a pattern about medium grey, at (width, height)."""
    cells = (255 * (0.5 + CONTRAST * pattern).clip(0, 1)).astype(np.uint8)
    return np.asarray(Image.fromarray(cells).resize(size, Image.Resampling.BICUBIC))


def write_tree(root: Path) -> Path:
    """The whole data folder."""
    painter = _Painter()
    wnids = ImageNetInfo("imagenet-1k").label_names()
    for k, wnid in enumerate(wnids):
        for number in range(3 if k % 5 == 0 else 2):
            size = (20 + (7 * k + 3 * number) % 11, 20 + (5 * k + number) % 11)
            name = f"ILSVRC2012_val_{3 * k + number:08d}.JPEG"
            painter.paint(root / "imagenet" / "val" / wnid / name, [k], 1.05, size)
    for number, corruption in enumerate(CORRUPTIONS):
        for severity in SEVERITIES:
            folder = root / "imagenet-c" / corruption / str(severity)
            for k in range(number, CLASS_COUNT, 70):
                painter.paint(folder / wnids[k] / f"{k}.png", [k], 0.5 + 0.2 * severity)
    _write_renditions(root, painter, wnids)
    _write_categories(root / "modelvshuman", painter)
    for name, spread in (("mixed_same", 0.7), ("mixed_rand", 1.1)):
        for folder, k in NINE.items():
            for number in range(4):
                place = root / "bg_challenge" / name / "val" / folder
                painter.paint(place / f"fg_{number}.png", [k], spread)
    return root


def _write_renditions(root: Path, painter: _Painter, wnids: Sequence[str]) -> None:
    text = (files("timm.data") / "_info" / "imagenet_r_indices.txt").read_text()
    for place, k in enumerate(int(word) for word in text.split()):
        name = ("art", "cartoon", "toy")[place % 3]
        painter.paint(root / "imagenet-r" / wnids[k] / f"{name}_{place}.jpg", [k], 0.9, (25 + place % 9, 24))


def _write_categories(root: Path, painter: _Painter) -> None:
    for category, k in CATEGORIES.items():
        for number in range(3):
            painter.paint(root / "edge" / category / f"{category}{number}.png", [k], 1.2)
            painter.paint(root / "silhouette" / category / f"{number}.png", [k], 0.3, (24, 20), grey=True)
    for number, (shape, k) in enumerate(CATEGORIES.items()):
        for step, (texture, other) in enumerate(list(CATEGORIES.items())[number % 3 :: 3]):
            weights = [k, k, other] if step % 2 else [k, other]
            name = f"{shape}{step + 1}-{texture}{number + 1}.png"
            painter.paint(root / "cue-conflict" / shape / name, weights, 0.4)
    # All categories are equally probable for a black image: the first wins, under `released` the last.
    black = root / "cue-conflict" / "airplane" / "airplane99-truck99.png"
    Image.new("RGB", (SIDE, SIDE)).save(black)
    for name, spread, categories in (("sketch", 1.1, 10), ("stylized", 1.5, 7)):
        for number in range(5 * categories):
            category = list(CATEGORIES)[number % categories]
            file = f"{number:04d}_{name}_dnn_0_{category}_00_n0{number}.png"
            place = root / name / "dnn" / "session-1" / file
            painter.paint(place, [CATEGORIES[category]], spread)


class _Painter:
    """Draws images, one after the other from one stream of random numbers."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(29)
        self._patterns = patterns()

    def paint(
        self,
        path: Path,
        classes: Iterable[int],
        spread: float,
        size: tuple[int, int] = (SIDE, SIDE),
        *,
        grey: bool = False,
    ) -> None:
        """Save the mean of the classes' patterns, with noise on every cell, at (width, height)."""
        pattern = np.mean([self._patterns[k] for k in classes], axis=0)
        image = Image.fromarray(drawing(pattern + self._rng.normal(0, spread, CELLS), size))
        path.parent.mkdir(parents=True, exist_ok=True)
        (image.convert("L") if grey else image).save(path, quality=95)
