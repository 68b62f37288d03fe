"""Settings of a model's passes: precision, memory format, compilation and batch size. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from quba_check.models.request import PRECISIONS, Precision

STATED = "stated by --quba-precision"
PROGRAM = "exported programs run as they are"
SINGLE_IMAGES = "images are predicted one by one, since the scale of quantised values depends on the batch"
DEMO = "the demo runs on the plain path"
TOO_SHORT = "the run is too short for a probe"
TOO_FEW = "the suite has too few images for a probe"
UNREADABLE = "the images for the probe cannot be read"
FAILING = "the model fails on the images of the probe"


@dataclass(frozen=True, slots=True)
class Candidate:
    """Settings that the probe tried.

    Attributes:
        precision: number format of passes without gradients.
        channels_last: convolution weights and inputs are in memory format `channels_last`.
        compiled: passes without gradients run through `torch.compile`.
        batch_size: images of a pass.
        gain: time of the plain path divided by the time with these settings; None if not measured.
        flipped: number of probe images with another top-1 answer than on the plain path; None if not counted.
        problem: reason for rejection without a count of flips; empty if there is none.
    """

    precision: Precision
    channels_last: bool
    compiled: bool
    batch_size: int
    gain: float | None = None
    flipped: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ComputeSettings:
    """Settings of a model's passes, and their origin.

    Attributes:
        precision: number format of passes without gradients. Those with gradients are always float32.
        channels_last: convolution weights and inputs are in memory format `channels_last`.
        compiled: passes without gradients run through `torch.compile`.
        batch_size: images of a pass; None for the default of the device.
        requested: the requested precision; `auto` if chosen here.
        reason: reason for these settings.
        images: number of images predicted both with these settings and on the plain path; 0 without a probe.
        flipped: number of these images with another top-1 answer.
        gain: time of the plain path divided by the time with these settings; 1 without a probe.
        candidates: all settings that the probe tried.
    """

    precision: Precision = "fp32"
    channels_last: bool = False
    compiled: bool = False
    batch_size: int | None = None
    requested: str = "fp32"
    reason: str = STATED
    images: int = 0
    flipped: int = 0
    gain: float = 1.0
    candidates: tuple[Candidate, ...] = ()

    @property
    def shares_gradient_pass(self) -> bool:
        """True if passes with gradients give the answers of passes without."""
        return self.precision == "fp32" and not self.compiled

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
            ValueError, TypeError, KeyError: the values are not those of settings.
        """
        known = {name: values[name] for name in (field.name for field in fields(cls))}
        known["candidates"] = tuple(Candidate(**candidate) for candidate in known["candidates"])
        settings = cls(**known)
        is_known = (
            settings.precision in PRECISIONS[1:]
            and {settings.channels_last, settings.compiled} <= {True, False}
            and isinstance(settings.batch_size, int | None)
        )
        if not is_known:
            raise ValueError(f"unknown settings {values!r}")
        return settings


PLAIN = ComputeSettings()


@dataclass(frozen=True, slots=True)
class ComputeRequest:
    """The user's request for a model's passes.

    Attributes:
        precision: `auto` or a precision.
        compile: `auto`, `on` or `off`.
    """

    precision: str = "fp32"
    compile: str = "off"


@dataclass(frozen=True, slots=True)
class PlannedPasses:
    """The passes of a run, counted in images.

    Attributes:
        plain: forward passes without gradients.
        exact: forward and backward passes of attacks, in float32 and uncompiled.
    """

    plain: int
    exact: int = 0

    @property
    def total(self) -> int:
        """All passes."""
        return self.plain + self.exact
