"""How an image becomes a model's input: the model's own evaluation transform, up to normalisation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from PIL import Image
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD, create_transform, resolve_data_config
from timm.data.transforms import str_to_interp_mode
from torch import Tensor, nn
from torchvision import transforms

from quba_check.errors import ModelError, did_you_mean
from quba_check.models.outputs import OUTPUT_KINDS, OutputKind

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "box", "hamming", "lanczos")
CROP_MODES = ("center", "squash", "border")
DEFAULT_SIZE = 224
DEFAULT_CROP = 0.875
"""timm's and torchvision's habit for ImageNet: the middle 224 of 256 pixels."""
SUITE_DEFAULTS = "the suite's defaults"

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Preparation:
    """How images are prepared, in the terms of timm's data config.

    Attributes:
        input_size: (3, height, width) in pixels.
        interpolation: filter of the resize.
        mean: per-channel mean that the model subtracts, of values in [0, 1].
        std: per-channel divisor after that.
        crop_pct: side of the crop as a share of the resized image's.
        crop_mode: `center` keeps the aspect ratio and crops, `squash` does not keep it, `border` pads.
        source: where this comes from, in words.
    """

    input_size: tuple[int, int, int]
    interpolation: str
    mean: Triple
    std: Triple
    crop_pct: float
    crop_mode: str
    source: str

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain values, for records and addresses."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()
        }

    def transform(self, *, crop: bool) -> Callable[[Image.Image], Tensor]:
        """The evaluation transform up to, and without, scaling to [0, 1] and normalisation.

        Args:
            crop: resize and crop as timm does for evaluation. False for images stored at their final size:
                they are resized to exactly the input size if theirs differs, and not cropped.

        Returns:
            A function from an RGB image to a uint8 tensor of shape (3, height, width). Divided by 255 and
            normalised it is, bit for bit, what timm's transform gives.
        """
        if crop:
            return cast(
                Callable[[Image.Image], Tensor],
                create_transform(
                    input_size=self.input_size,
                    interpolation=self.interpolation,
                    mean=self.mean,
                    std=self.std,
                    crop_pct=self.crop_pct,
                    crop_mode=self.crop_mode,
                    is_training=False,
                    normalize=False,
                ),
            )
        resize = transforms.Resize(self.input_size[1:], str_to_interp_mode(self.interpolation))
        return cast(Callable[[Image.Image], Tensor], transforms.Compose([resize, transforms.PILToTensor()]))


def suite_defaults(image_size: int | None) -> Preparation:
    """The preparation for a model that brings none.

    Args:
        image_size: side in pixels that the suite's manifest states: its images are resized to it and not
            cropped. None: 224, the middle of 256 pixels.
    """
    size = image_size or DEFAULT_SIZE
    return Preparation(
        input_size=(3, size, size),
        interpolation="bicubic",
        mean=IMAGENET_DEFAULT_MEAN,
        std=IMAGENET_DEFAULT_STD,
        crop_pct=1.0 if image_size else DEFAULT_CROP,
        crop_mode="center",
        source=SUITE_DEFAULTS,
    )


def preparation_of(
    module: nn.Module, *, spec: str, image_size: int | None, architecture: str = ""
) -> Preparation:
    """How images are prepared for a module.

    Its `quba_config` says so, else its `pretrained_cfg`, else the suite's defaults hold.

    Args:
        module: the module that classifies.
        spec: its spec, for messages and `source`.
        image_size: what the suite's manifest states.
        architecture: the timm name, if timm built the module.

    Returns:
        The preparation. Keys that a `quba_config` leaves out come from the suite's defaults, and `source`
        says which.

    Raises:
        ModelError: a `quba_config` or `pretrained_cfg` with an unknown key or a value that cannot be used.
    """
    defaults = suite_defaults(image_size)
    config = getattr(module, "quba_config", None)
    if config is not None:
        where = f"{spec}: quba_config"
        given = _checked(config, where)
        given.pop("outputs", None)
        absent = [key for key in _CHECKS if key not in given and key not in ("crop_mode", "outputs")]
        source = f"quba_config of {spec}" + (f" ({', '.join(absent)}: {SUITE_DEFAULTS})" if absent else "")
        return Preparation(**{**asdict(defaults), **given, "source": source})
    config = getattr(module, "pretrained_cfg", None)
    if config:
        resolved = _checked(resolve_data_config(pretrained_cfg=config), f"{spec}: pretrained_cfg")
        source = f"timm's {architecture}" if architecture else f"pretrained_cfg of {spec}"
        return Preparation(**resolved, source=source)
    return defaults


def stated_outputs(module: nn.Module, *, spec: str) -> OutputKind | None:
    """What the module's `quba_config` says its outputs are, if it does.

    Raises:
        ModelError: the `quba_config` cannot be used.
    """
    config = getattr(module, "quba_config", None)
    return None if config is None else _checked(config, f"{spec}: quba_config").get("outputs")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_triple(value: object) -> bool:
    return isinstance(value, (tuple, list)) and len(value) == 3 and all(map(_is_number, value))


def _is_size(value: Any) -> bool:
    return _is_triple(value) and value[0] == 3 and all(isinstance(side, int) and side > 0 for side in value)


_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "input_size": (_is_size, "three whole numbers (3, height, width)"),
    "interpolation": (lambda value: value in INTERPOLATIONS, ", ".join(INTERPOLATIONS)),
    "mean": (_is_triple, "three numbers, for values in [0, 1]"),
    "std": (
        lambda value: _is_triple(value) and min(value) > 0,
        "three numbers above 0, for values in [0, 1]",
    ),
    "crop_pct": (lambda value: _is_number(value) and value > 0, "a number above 0"),
    "crop_mode": (lambda value: value in CROP_MODES, ", ".join(CROP_MODES)),
    "outputs": (lambda value: value in OUTPUT_KINDS, ", ".join(OUTPUT_KINDS)),
}


def _checked(config: object, where: str) -> dict[str, Any]:
    if not isinstance(config, Mapping):
        raise ModelError(
            f"{where}: is not a dict, got {type(config).__name__}. Allowed keys: {', '.join(_CHECKS)}."
        )
    for key, value in config.items():
        if key not in _CHECKS:
            raise ModelError(
                f"{where}: unknown key '{key}'. Allowed: {', '.join(_CHECKS)}."
                f"{did_you_mean(str(key), _CHECKS)}"
            )
        is_usable, allowed = _CHECKS[key]
        if not is_usable(value):
            raise ModelError(f"{where}: {key} cannot be used, got {value!r}. Allowed: {allowed}.")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}
