"""Serving pipelines: the preprocessing of the application that uses a model. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

Library = Literal["pillow", "opencv", "torchvision"]
Method = Literal["nearest", "bilinear", "bicubic", "area", "lanczos"]
Crop = Literal["center", "squash", "letterbox"]
Channels = Literal["RGB", "BGR"]
InputType = Literal["float32", "float16", "bfloat16"]
METHODS: Mapping[Library, tuple[str, ...]] = {
    "pillow": ("nearest", "bilinear", "bicubic", "lanczos"),
    "opencv": get_args(Method),
    "torchvision": ("nearest", "bilinear", "bicubic"),
}
"""Methods of the resize of each library."""
_UNCHANGED = {"decode": "pillow", "channels": "RGB", "dtype": "float32"}


@dataclass(frozen=True, slots=True)
class Resize:
    """The resize of a serving pipeline.

    Attributes:
        library: the library that resizes.
        method: its interpolation; None for the model's own.
        antialias: True if a smaller image is filtered; None for the default of torchvision.
    """

    library: Library = "pillow"
    method: Method | None = None
    antialias: bool | None = None


@dataclass(frozen=True, slots=True)
class ServingPipeline:
    """The preprocessing of an application, as far as it is not the model's own.

    Attributes:
        decode: the library that decodes files; None for Pillow.
        jpeg: quality of the JPEG file that the decoded image passes through, 1 to 100.
        resize: the resize.
        crop: `center` crops as the model does, `squash` resizes the whole image to the input size,
            `letterbox` fits it in and pads with black.
        channels: order of the channels that reach the model.
        dtype: the normalised input is rounded to it.
        call: `package.module:function` that replaces all steps; empty for none.
        version: version of the code behind it, for cache keys: OpenCV's, or a digest of the function's code.
    """

    decode: Library | None = None
    jpeg: int | None = None
    resize: Resize | None = None
    crop: Crop | None = None
    channels: Channels | None = None
    dtype: InputType | None = None
    call: str = ""
    version: str = ""

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps that may change the model's input, in order.

        >>> ServingPipeline(decode="pillow", jpeg=85, channels="BGR").steps
        ('jpeg', 'channels')
        """
        return tuple(name for name in STEPS if getattr(self, name) not in (None, _UNCHANGED.get(name)))

    def only(self, step: str) -> ServingPipeline:
        """Return the pipeline with one of its steps alone.

        >>> ServingPipeline(jpeg=85, channels="BGR").only("jpeg") == ServingPipeline(jpeg=85)
        True
        """
        return ServingPipeline(**{step: getattr(self, step)})

    def as_dict(self) -> dict[str, Any]:
        """Return what is stated, as plain values for cache keys and records.

        >>> ServingPipeline(resize=Resize(method="bilinear")).as_dict()
        {'resize': {'library': 'pillow', 'method': 'bilinear', 'antialias': None}}
        """
        return {key: value for key, value in asdict(self).items() if value not in (None, "")}


def pipeline_of(variant: str, pipelines: Mapping[str, ServingPipeline]) -> ServingPipeline:
    """Return the pipeline of the variant `serving/NAME`, or one of its steps for `serving/NAME/STEP`.

    >>> pipeline_of("serving/app/jpeg", {"app": ServingPipeline(jpeg=85, crop="squash")}).steps
    ('jpeg',)
    """
    _, name, *step = variant.split("/")
    return pipelines[name].only(step[0]) if step else pipelines[name]


STEPS = tuple(item.name for item in fields(ServingPipeline) if item.name not in ("call", "version"))
"""Names of all steps, in order."""
