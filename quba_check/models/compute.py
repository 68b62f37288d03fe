"""Settings of a model's passes: precision, memory format and compilation. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from quba_check.models.request import PRECISIONS, Precision

STATED = "stated by --quba-precision"
PROGRAM = "exported programs run as they are"
SINGLE_IMAGES = "images are predicted one by one, since the scale of quantised values depends on the batch"
DEMO = "the demo runs on the plain path"
RULE = "the rule for the device and the kind of network"
TOO_FEW = "the clean set has too few images for the check of half precision"
NOT_CHECKED = "half precision cannot be checked on the clean set"
FLIPPED = "half precision flips an answer"
CHECKED = "half precision flips no answer"
CHANNELS_LAST = {("cpu", "fp32"), ("cuda", "bf16"), ("cuda", "fp16")}
"""Devices and precisions with which convolutional networks run in memory format `channels_last`."""


@dataclass(frozen=True, slots=True)
class ComputeSettings:
    """Settings of a model's passes, and their origin.

    Attributes:
        precision: number format of passes without gradients. Those with gradients are always float32.
        channels_last: convolution weights and inputs are in memory format `channels_last`.
        compiled: passes without gradients run through `torch.compile`.
        requested: the requested precision; `auto` if chosen here.
        reason: reason for these settings.
        images: number of images predicted both with these settings and in float32; 0 without a check.
        flipped: number of these images with another top-1 answer.
    """

    precision: Precision = "fp32"
    channels_last: bool = False
    compiled: bool = False
    requested: str = "fp32"
    reason: str = STATED
    images: int = 0
    flipped: int = 0

    def cache_settings(self) -> dict[str, Any]:
        """Return the settings that change the last bits of predictions, for cache keys.

        Other memory formats and compilation are left out, so that predictions stored before stay valid.
        """
        changes = {"channels_last": self.channels_last, "compiled": self.compiled}
        return {"precision": self.precision} | {name: True for name, is_on in changes.items() if is_on}

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as JSON-like values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ComputeSettings:
        """Return the settings of `as_dict`.

        Raises:
            ValueError, TypeError: the values are not those of settings.
        """
        settings = cls(**values)
        flags = {settings.channels_last, settings.compiled}
        if settings.precision not in PRECISIONS[1:] or not flags <= {True, False}:
            raise ValueError(f"unknown settings {values!r}")
        return settings


PLAIN = ComputeSettings()
