"""Preprocessing of images: the model's own evaluation transform, up to normalisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from torch import nn

from quba_check.core.serving import ServingPipeline
from quba_check.errors import ModelError
from quba_check.models.preprocessing.config import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    KEYS,
    PreprocessingConfig,
    Triple,
    preprocessing_config,
)
from quba_check.models.preprocessing.pillow_transform import PillowTransform

LARGEST_SIDE = 20_000
"""Largest side in pixels of a resized image before the crop."""
DEFAULT_SIZE = 224
DEFAULT_CROP = 0.875
"""The default of timm and torchvision for ImageNet: the middle 224 of 256 pixels."""
SUITE_DEFAULTS = "the suite's defaults"


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Preprocessing of images, in the terms of timm's data config.

    Attributes:
        input_size: (3, height, width) in pixels.
        interpolation: filter of the resize.
        mean: mean to subtract per channel, of values in [0, 1].
        std: divisor per channel after that.
        crop_pct: side of the crop as a share of the resized image's.
        crop_mode: `center` keeps the aspect ratio and crops, `squash` does not keep it, `border` pads.
        source: origin of these values, for reports.
        temperature: divisor of the model's logits before the softmax.
        pipeline: the serving pipeline that replaces some of its steps; None for the model's own.
    """

    input_size: tuple[int, int, int]
    interpolation: str
    mean: Triple
    std: Triple
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
        size = f"{height} × {width}"
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
        red, green, blue = (round(255 * share) for share in border)
        return PillowTransform(
            self.input_size[1:], self.interpolation, self.crop_pct, self.crop_mode, (red, green, blue), crop
        )


def preprocessing_of(
    configs: Sequence[PreprocessingConfig],
    *,
    spec: str,
    image_size: int | None,
    fallback: PreprocessingConfig | None = None,
) -> Preprocessing:
    """Return the preprocessing that configs state.

    Later configs override earlier ones key by key; the fallback and then the suite's defaults fill the rest.

    Args:
        configs: of the module itself, its checkpoint and a preprocessing file, as far as there are any.
        spec: the model's spec, for messages.
        image_size: side in pixels stated in the suite's manifest; images are resized to it and not cropped.
            None: 224, the middle of 256 pixels.
        fallback: preprocessing of the model that this one replaces.

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
    preprocessing = Preprocessing(**values, source=_source(sources, [*configs, *fallbacks]))
    sides = [side / preprocessing.crop_pct for side in preprocessing.input_size[1:]]
    if not 1 <= min(sides) <= max(sides) <= LARGEST_SIDE:
        raise ModelError(
            f"{spec}: images cannot be prepared as {preprocessing.source} states: input_size "
            f"{preprocessing.input_size} with crop_pct {preprocessing.crop_pct:g} resizes them to "
            f"{max(sides):.4g} pixels. Allowed: 1 to {LARGEST_SIDE:,} pixels (input_size / crop_pct)."
        )
    return preprocessing


def configs_of_module(module: nn.Module, *, spec: str, source: str = "") -> list[PreprocessingConfig]:
    """Return the config of a module itself: its `quba_config`, else its `pretrained_cfg`; none without both.

    Args:
        module: the module that classifies.
        spec: its spec, for messages and sources.
        source: name of its `pretrained_cfg` in reports, if not by its spec.

    Raises:
        ModelError: the config has an unknown key or an invalid value.
    """
    config = getattr(module, "quba_config", None)
    if config is not None:
        own = preprocessing_config(config, where=f"{spec}: quba_config", source=f"quba_config of {spec}")
        return [own]
    config, where = getattr(module, "pretrained_cfg", None), f"{spec}: pretrained_cfg"
    if not config:
        return []
    source = source or f"pretrained_cfg of {spec}"
    if isinstance(config, Mapping):
        # Checked before timm replaces zeros by its defaults.
        stated = {key: config[key] for key in KEYS if config.get(key) is not None}
        preprocessing_config(stated, where=where, source=source)
        from timm.data import resolve_data_config

        config = resolve_data_config(pretrained_cfg=dict(config))
    return [preprocessing_config(config, where=where, source=source)]


def _source(sources: Mapping[str, str], configs: Sequence[PreprocessingConfig]) -> str:
    """Return the first source in use, with the others and their keys in brackets."""
    plain = ("crop_mode", "temperature")  # their defaults are not worth a mention
    sources = {key: source for key, source in sources.items() if key not in plain or source != SUITE_DEFAULTS}
    order = dict.fromkeys([*(config.source for config in configs), SUITE_DEFAULTS])
    keys = {source: [key for key in sources if sources[key] == source] for source in order}
    main, *others = [source for source, names in keys.items() if names]
    rest = "; ".join(f"{', '.join(keys[source])}: {source}" for source in others)
    return f"{main} ({rest})" if rest else main
