"""The images of `quba-check init --example digits`: drawn digits on coloured backgrounds."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from quba_check.demo.shapes import Plane

CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SPLITS = {"train": 1000, "val": 500}
"""Number of images by folder. Those of `val` are also in `night`, and have masks."""
SIDE = 32
_GLYPH = 64
"""Side of the drawn digit, which is then turned, leant and shrunk."""


def write_digits(folder: Path) -> None:
    """Write images in four folders, and `images.csv` with light and camera of the test images."""
    rng = np.random.default_rng(0)
    rows = ["path,label,lighting,camera\n"]
    for split, count in SPLITS.items():
        for number in range(count):
            ink = _ink(number % 10, rng)[..., None]
            coarse = rng.integers(0, 110, (4, 4, 3), np.uint8)
            background = np.asarray(Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
            picture = background * (1 - ink) + rng.uniform(160, 255) * ink
            pictures = {split: picture + rng.normal(0, 15, picture.shape)}
            if split == "val":
                pictures["night"] = 0.45 * picture + rng.normal(0, 15, picture.shape)
                pictures["masks"] = np.repeat(255 * (ink > 0.2), 3, axis=2)
            for name, pixels in pictures.items():
                path = Path(name, CLASSES[number % 10], f"{number:04}.png")
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / path, compress_level=1)
                if name in ("val", "night"):
                    lighting = "dusk" if number % 97 == 0 else {"val": "day"}.get(name, name)
                    camera = "new" if number // 10 % 5 == 0 else "old"
                    rows.append(f"{path.as_posix()},{path.parent.name},{lighting},{camera}\n")
    (folder / "images.csv").write_text("".join(rows), encoding="utf-8")


def _ink(digit: int, rng: np.random.Generator) -> Plane:
    """Return the share of each pixel that a randomly placed digit covers."""
    glyph = Image.new("L", (_GLYPH, _GLYPH))
    centre = (_GLYPH / 2, _GLYPH / 2)
    font = ImageFont.load_default(52)
    stroke = int(rng.integers(3))
    ImageDraw.Draw(glyph).text(centre, str(digit), 255, font, "mm", stroke_width=stroke)
    angle, lean, right, down = rng.normal(0, (0.11, 0.14, 1, 1))
    wide, high = np.exp(rng.normal(0.82, 0.11, 2))
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = turn @ [[wide, lean], [0, high]]
    offset = np.array(centre) - matrix @ (SIDE / 2 + right, SIDE / 2 + down)
    terms = np.column_stack([matrix, offset]).ravel().tolist()
    small = glyph.transform((SIDE, SIDE), Image.Transform.AFFINE, terms, Image.Resampling.BILINEAR)
    return np.asarray(small, np.float32) / np.float32(255)
