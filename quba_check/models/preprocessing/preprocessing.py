"""How an image becomes a model's input: the model's own evaluation transform, up to normalisation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from PIL import Image
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD, create_transform, resolve_data_config
from timm.data.transforms import str_to_interp_mode
from torch import Tensor, nn
from torchvision import transforms

from quba_check.errors import ModelError
from quba_check.models.preprocessing.config import (
    KEYS,
    OutputKind,
    PreprocessingConfig,
    preprocessing_config,
)

LARGEST_SIDE = 20_000
"""Pixels to which an image may be resized before it is cropped."""
DEFAULT_SIZE = 224
DEFAULT_CROP = 0.875
"""timm's and torchvision's habit for ImageNet: the middle 224 of 256 pixels."""
SUITE_DEFAULTS = "the suite's defaults"

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Preprocessing:
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


def suite_defaults(image_size: int | None) -> Preprocessing:
    """The preparation for a model that brings none.

    Args:
        image_size: side in pixels that the suite's manifest states: its images are resized to it and not
            cropped. None: 224, the middle of 256 pixels.
    """
    size = image_size or DEFAULT_SIZE
    return Preprocessing(
        input_size=(3, size, size),
        interpolation="bicubic",
        mean=IMAGENET_DEFAULT_MEAN,
        std=IMAGENET_DEFAULT_STD,
        crop_pct=1.0 if image_size else DEFAULT_CROP,
        crop_mode="center",
        source=SUITE_DEFAULTS,
    )


def preprocessing_of(
    module: nn.Module,
    *,
    spec: str,
    image_size: int | None,
    architecture: str = "",
    configs: Sequence[PreprocessingConfig] = (),
) -> Preprocessing:
    """How images are prepared for a module.

    Its `quba_config` says so, else its `pretrained_cfg`; what a later statement says overrides that, key by
    key. For the rest the suite's defaults hold.

    Args:
        module: the module that classifies.
        spec: its spec, for messages and `source`.
        image_size: what the suite's manifest states.
        architecture: the timm name, if timm built the module.
        configs: what else is stated, such as by a checkpoint or a preparation file; the last one wins.

    Returns:
        The preparation. `source` says which keys are from elsewhere than the rest.

    Raises:
        ModelError: a `quba_config` or `pretrained_cfg` with an unknown key or a value that cannot be used, or
            images would be resized to more pixels than memory holds.
    """
    values = asdict(suite_defaults(image_size))
    del values["source"]
    origins = dict.fromkeys(values, SUITE_DEFAULTS)
    own = _own_statement(module, spec, architecture)
    for stated in (*([own] if own else []), *configs):
        said = {key: value for key, value in stated.values.items() if key in values}
        values |= said
        origins |= dict.fromkeys(said, stated.source)
    made = Preprocessing(**values, source=_source(origins, [own, *configs]))
    side = min(made.input_size[1:]) / made.crop_pct, max(made.input_size[1:]) / made.crop_pct
    if not 1 <= side[0] <= side[1] <= LARGEST_SIDE:
        raise ModelError(
            f"{spec}: images cannot be prepared as {made.source} states: input_size {made.input_size} with "
            f"crop_pct {made.crop_pct:g} resizes them to {side[1]:.4g} pixels. "
            f"Allowed: 1 to {LARGEST_SIDE:,} pixels (input_size / crop_pct)."
        )
    return made


def config_statement(config: Mapping[str, Any], *, where: str, source: str) -> PreprocessingConfig:
    """Return the statement of a timm `pretrained_cfg`, with its defaults.

    Args:
        config: the config. It is checked first, since timm replaces zeros by its defaults.
        where: how a message begins.
        source: its name in records and reports.

    Raises:
        ModelError: a value cannot be used.
    """
    own = {key: config[key] for key in KEYS if config.get(key) is not None}
    preprocessing_config(own, where=where, source=source)
    resolved = resolve_data_config(pretrained_cfg=dict(config)) if config else {}
    return preprocessing_config(resolved, where=where, source=source)


def stated_outputs(
    module: nn.Module, *, spec: str, configs: Sequence[PreprocessingConfig] = ()
) -> OutputKind | None:
    """What the outputs are, where a statement or else the module's `quba_config` says so.

    Raises:
        ModelError: the `quba_config` cannot be used.
    """
    own = _own_statement(module, spec, "")
    said = [stated.values.get("outputs") for stated in (*reversed(configs), *([own] if own else []))]
    return next((kind for kind in said if kind is not None), None)


def _own_statement(module: nn.Module, spec: str, architecture: str) -> PreprocessingConfig | None:
    config = getattr(module, "quba_config", None)
    if config is not None:
        return preprocessing_config(config, where=f"{spec}: quba_config", source=f"quba_config of {spec}")
    config = getattr(module, "pretrained_cfg", None)
    if not config:
        return None
    source = f"timm's {architecture}" if architecture else f"pretrained_cfg of {spec}"
    if not isinstance(config, Mapping):
        raise ModelError(f"{spec}: pretrained_cfg: is not a dict, got {type(config).__name__}.")
    return config_statement(config, where=f"{spec}: pretrained_cfg", source=source)


def _source(origins: Mapping[str, str], stated: Sequence[PreprocessingConfig | None]) -> str:
    """Where a preparation comes from: the first source that is left, and in brackets the others."""
    order = dict.fromkeys([*(one.source for one in stated if one), SUITE_DEFAULTS])
    keys = {source: [key for key in origins if origins[key] == source] for source in order}
    if any(names and source != SUITE_DEFAULTS for source, names in keys.items()):
        # Cropping the centre is what everybody means who does not say it.
        keys[SUITE_DEFAULTS] = [key for key in keys[SUITE_DEFAULTS] if key != "crop_mode"]
    main, *others = [source for source, names in keys.items() if names]
    rest = "; ".join(f"{', '.join(keys[source])}: {source}" for source in others)
    return f"{main} ({rest})" if rest else main
