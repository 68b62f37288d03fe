"""Preprocessing of images: the model's own evaluation transform with Pillow, up to normalisation.

timm and torchvision call Pillow too, so the pixels are the same bit for bit. Their import takes longer than
loading a small model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from quba_check.core.serving import ServingPipeline
from quba_check.errors import ModelError
from quba_check.models.preprocessing.config import IMAGENET_MEAN, IMAGENET_STD, PreprocessingConfig

Size = tuple[int, int]
"""Height and width in pixels."""
LARGEST_SIDE = 20_000
"""Largest side in pixels of a resized image before the crop."""
DEFAULT_SIZE = 224
DEFAULT_CROP = 0.875
"""The default of timm and torchvision for ImageNet: the middle 224 of 256 pixels."""
SUITE_DEFAULTS = "the suite's defaults"
LUMA = (19595, 38470, 7471)
"""Weights of red, green and blue in grey, of 65,536: those of Pillow's mode L (ITU-R BT.601)."""


@dataclass(frozen=True, slots=True)
class PillowTransform:
    """Resizes an image, crops its centre, and returns its pixels.

    Attributes:
        size: of the result.
        interpolation: name of Pillow's filter in lower case.
        crop_pct: side of the crop as a share of the resized image's.
        crop_mode: `center`, `center_floor`, `squash` or `border`; see `Preprocessing`.
        border: colour around an image that is smaller than the crop, 0 to 255.
        crop: False resizes to `size` without a crop.
    """

    size: Size
    interpolation: str
    crop_pct: float
    crop_mode: str
    border: tuple[int, int, int] = (0, 0, 0)
    crop: bool = True

    def __call__(self, image: Image.Image) -> Tensor:
        """Return an RGB image as a uint8 tensor of shape (3, height, width)."""
        height, width = self.resized_size((image.height, image.width))
        if (height, width) != (image.height, image.width):
            image = image.resize((width, height), Image.Resampling[self.interpolation.upper()])
        return self.cropped(image)

    def cropped(self, image: Image.Image) -> Tensor:
        """Return the middle of a resized image, uint8 (3, height, width)."""
        return pixels_of(image if (image.height, image.width) == self.size else self._centre(image))

    def resized_size(self, image: Size) -> Size:
        """Return the size of an image after the resize and before the crop."""
        if not self.crop:
            return self.size
        height, width = (math.floor(side / self.crop_pct) for side in self.size)
        if self.crop_mode == "squash":
            return height, width
        if self.crop_mode.startswith("center") and height == width:  # as torchvision's resize
            longer = int(height * max(image) / min(image))
            return (longer, height) if image[0] > image[1] else (height, longer)
        choose = max if self.crop_mode == "border" else min
        ratio = choose(image[0] / height, image[1] / width)
        return round(image[0] / ratio), round(image[1] / ratio)

    def corner(self, image: Size) -> tuple[int, int]:
        """Return top and left of the crop, negative where the resized image is smaller."""
        down = self.crop_mode == "center_floor"
        return _offset(image[0], self.size[0], down=down), _offset(image[1], self.size[1], down=down)

    def _centre(self, image: Image.Image) -> Image.Image:
        """Return the middle of an image, with a border if the image is too small."""
        height, width = self.size
        top, left = self.corner((image.height, image.width))
        if image.height >= height and image.width >= width:
            return image.crop((left, top, left + width, top + height))
        canvas = Image.new("RGB", (width, height), self.border)
        canvas.paste(image, (-left, -top))
        return canvas


def for_channels(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """Return a number for each channel, from one for each of three or for grey.

    >>> for_channels((0.5, 0.5, 0.5), 1), for_channels((0.5,), 3)
    ((0.5,), (0.5, 0.5, 0.5))
    """
    if len(values) == channels:
        return values
    if len({*values}) == 1:
        return values[:1] * channels
    return (sum(weight * value for weight, value in zip(LUMA, values, strict=True)) / sum(LUMA),)


def grey(images: Tensor) -> Tensor:
    """Convert RGB images to grey ones with the weights `LUMA`, as Pillow's mode L.

    Args:
        images: (N, 3, H, W), uint8 or floating-point.

    Returns:
        (N, 1, H, W) of the same type.
    """
    weights = torch.tensor(LUMA, device=images.device).view(3, 1, 1)
    if images.is_floating_point():
        return (images * (weights / sum(LUMA)).to(images.dtype)).sum(dim=1, keepdim=True)
    weighted = (images.to(torch.int32) * weights.to(torch.int32)).sum(dim=1, keepdim=True)
    return ((weighted + 0x8000) >> 16).to(torch.uint8)


def pixels_of(image: Image.Image) -> Tensor:
    """Return an RGB image as a uint8 tensor of shape (3, height, width)."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def array_of(pixels: Tensor) -> NDArray[np.uint8]:
    """Return pixels (3, H, W) as a contiguous array (H, W, 3)."""
    return np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())


def _offset(side: int, crop: int, *, down: bool) -> int:
    """Return the first pixel of a central crop, negative for a shorter side.

    It is rounded down as by transformers, or as by torchvision.
    """
    if side < crop:
        return -((crop - side) // 2)
    return (side - crop) // 2 if down else round((side - crop) / 2)


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Preprocessing of images, in the terms of timm's data config.

    Attributes:
        input_size: (channels, height, width) in pixels; with one channel the model takes grey images.
        interpolation: filter of the resize.
        mean: mean to subtract per channel, of values in [0, 1].
        std: divisor per channel after that.
        crop_pct: side of the crop as a share of the resized image's.
        crop_mode: `center` keeps the aspect ratio and crops, `center_floor` does so with its corner rounded
            down, `squash` does not keep it, `border` pads.
        source: origin of these values, for reports.
        temperature: divisor of the model's logits before the softmax.
        pipeline: the serving pipeline that replaces some of its steps; None for the model's own.
    """

    input_size: tuple[int, int, int]
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    crop_pct: float
    crop_mode: str
    source: str
    temperature: float = 1.0
    pipeline: ServingPipeline | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, for records and cache keys.

        A temperature of 1, which changes nothing, and a missing pipeline are left out.
        """
        values = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(replace(self, pipeline=None)).items()
            if (name, value) not in (("temperature", 1), ("pipeline", None))
        }
        return values if self.pipeline is None else values | {"pipeline": self.pipeline.as_dict()}

    @property
    def is_grey(self) -> bool:
        """True if the model takes one channel."""
        return self.input_size[0] == 1

    def has_pixels_of(self, other: Preprocessing) -> bool:
        """Return True if images have the same pixels before the normalisation."""
        own, theirs = (
            replace(preprocessing, std=self.std, source="", temperature=1) for preprocessing in (self, other)
        )
        return (own if own.crop_mode == "border" else replace(own, mean=theirs.mean)) == theirs

    @property
    def is_assumed(self) -> bool:
        """True if the suite's defaults fill a part of it."""
        return SUITE_DEFAULTS in self.source

    def describe(self) -> str:
        """Return size, filter, crop, normalisation and temperature in words."""
        _, height, width = self.input_size
        mean, std = (
            f"{values[0]:g}" if len({*values}) == 1 else " ".join(f"{value:g}" for value in values)
            for values in (self.mean, self.std)
        )
        is_imagenet = (self.mean, self.std) == (IMAGENET_MEAN, IMAGENET_STD)
        normalisation = "ImageNet mean and std" if is_imagenet else f"mean {mean}, std {std}"
        divided = "" if self.temperature == 1 else f", logits divided by {self.temperature:g}"
        size = f"{height} × {width}{', grey' if self.is_grey else ''}"
        return f"{size}, {self.interpolation}, crop {self.crop_pct:g}, {normalisation}{divided}"

    def transform(self, *, crop: bool) -> PillowTransform:
        """Return the evaluation transform, without scaling to [0, 1] and normalisation.

        Args:
            crop: resize and crop as timm does for evaluation. False for images stored at their final size,
                which are resized to the input size if theirs differs, and not cropped.

        Returns:
            A function from an RGB image to a uint8 tensor of shape (3, height, width). Divided by 255 and
            normalised, the tensor equals the result of timm's transform bit for bit.
        """
        border = self.mean if self.crop_mode == "border" else (0.0, 0.0, 0.0)
        red, green, blue = (round(255 * share) for share in for_channels(border, 3))
        return PillowTransform(
            self.input_size[1:], self.interpolation, self.crop_pct, self.crop_mode, (red, green, blue), crop
        )


def preprocessing_of(
    configs: Sequence[PreprocessingConfig],
    *,
    spec: str,
    image_size: int | None = None,
    fallback: PreprocessingConfig | None = None,
) -> Preprocessing:
    """Return the preprocessing that configs state.

    Later configs override earlier ones key by key; the fallback and then the suite's defaults fill the rest.

    Args:
        configs: of the module itself, its checkpoint and a preprocessing file, as far as there are any.
        spec: the model's spec, for messages.
        image_size: side in pixels of the suite's images, which are resized and not cropped; without one, the
            middle 224 of 256 pixels.
        fallback: see `LoadRequest.fallback`.

    Returns:
        The preprocessing. `source` names the keys that come from another source than the rest.

    Raises:
        ModelError: images would be resized to more pixels than memory holds.
    """
    size = image_size or DEFAULT_SIZE
    values: dict[str, Any] = {
        "input_size": (3, size, size),
        "interpolation": "bicubic",
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
        "crop_pct": 1.0 if image_size else DEFAULT_CROP,
        "crop_mode": "center",
        "temperature": 1.0,
    }
    sources = dict.fromkeys(values, SUITE_DEFAULTS)
    fallbacks = [] if fallback is None else [fallback]
    for config in (*fallbacks, *configs):
        overrides = {key: value for key, value in config.values.items() if key in values}
        values |= overrides
        sources |= dict.fromkeys(overrides, config.source)
    for name in ("mean", "std"):
        values[name] = for_channels(values[name], values["input_size"][0])
    preprocessing = Preprocessing(**values, source=_source(sources, [*configs, *fallbacks]))
    sides = [side / preprocessing.crop_pct for side in preprocessing.input_size[1:]]
    if not 1 <= min(sides) <= max(sides) <= LARGEST_SIDE:
        raise ModelError(
            f"images cannot be prepared as {preprocessing.source} states: input_size "
            f"{preprocessing.input_size} with crop_pct {preprocessing.crop_pct:g} resizes them "
            f"to {max(sides):.4g} pixels",
            where=spec,
            allowed=f"1 to {LARGEST_SIDE:,} pixels (input_size / crop_pct)",
        )
    return preprocessing


def _source(sources: Mapping[str, str], configs: Sequence[PreprocessingConfig]) -> str:
    """Return the first source in use, with the others and their keys in brackets."""
    plain = ("crop_mode", "temperature")  # their defaults are not worth a mention
    sources = {key: source for key, source in sources.items() if key not in plain or source != SUITE_DEFAULTS}
    order = dict.fromkeys([*(config.source for config in configs), SUITE_DEFAULTS])
    keys = {source: [key for key in sources if sources[key] == source] for source in order}
    main, *others = [source for source, names in keys.items() if names]
    rest = "; ".join(f"{', '.join(keys[source])}: {source}" for source in others)
    return f"{main} ({rest})" if rest else main
