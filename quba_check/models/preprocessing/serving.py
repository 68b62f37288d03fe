"""The transform of a serving pipeline: other libraries and steps than the model's own."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from quba_check.core.serving import METHODS, Library, Resize, ServingPipeline
from quba_check.errors import ModelError
from quba_check.models.errors import model_errors
from quba_check.models.identity.user_code import code_digest, imported_object
from quba_check.models.preprocessing.preprocessing import Preprocessing, Size, array_of, pixels_of

VERSION = 1
"""Increased when the pixels change; part of the cache keys."""
Pixels = NDArray[np.uint8]
Transform = Callable[[Image.Image], Tensor]
_OPENCV = {
    "nearest": "INTER_NEAREST",
    "bilinear": "INTER_LINEAR",
    "bicubic": "INTER_CUBIC",
    "area": "INTER_AREA",
    "lanczos": "INTER_LANCZOS4",
}
"""Names in OpenCV, which takes 16 MB and is imported only by pipelines that use it."""
_CROPS: Mapping[str, dict[str, Any]] = {
    "center": {"crop_mode": "center"},
    "squash": {"crop_mode": "squash", "crop_pct": 1.0},
    "letterbox": {"crop_mode": "border", "crop_pct": 1.0, "border": (0, 0, 0)},
}
"""What each crop changes in the model's own transform."""
_ALLOWED = (
    "uint8 of shape (height, width, 3), or float32 of shape (3, height, width) that is normalised, "
    "without NaN, the same kind for every image"
)


def with_version(pipeline: ServingPipeline, *, imports: bool = True) -> ServingPipeline:
    """Return a pipeline with the version of the code behind it.

    Args:
        pipeline: the pipeline.
        imports: False to leave `call` without a version, since nothing may be imported.

    Raises:
        ModelError: `call` cannot be imported.
    """
    version = str(VERSION)
    if "opencv" in (pipeline.decode, pipeline.resize and pipeline.resize.library):
        import cv2

        version += f", opencv {cv2.__version__}"
    if pipeline.call and imports:
        version += f", {code_digest(pipeline.call, _function(pipeline.call))}"
    return replace(pipeline, version=version)


def decoder(library: Library | None) -> Callable[[Image.Image], Image.Image]:
    """Return the function that decodes an opened image to RGB.

    OpenCV applies the orientation in EXIF data, as `cv2.imread` does; Pillow and torchvision do not. Images
    without a file, such as those of arrays, need no decoding.
    """
    decode = {"opencv": _opencv_decoded, "torchvision": _torchvision_decoded}.get(library or "")

    def read(image: Image.Image) -> Image.Image:
        file = getattr(image, "fp", None)
        if decode is None or file is None:
            return image.convert("RGB")
        file.seek(0)
        return Image.fromarray(decode(file.read()))

    return read


def _opencv_decoded(content: bytes) -> Pixels:
    import cv2

    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise ValueError("OpenCV, which the serving pipeline states, does not read it")
    return np.ascontiguousarray(pixels[:, :, ::-1]).astype(np.uint8, copy=False)


def _torchvision_decoded(content: bytes) -> Pixels:
    from quba_check.models.preprocessing.torchvision_decoders import decode_image

    return array_of(decode_image(torch.frombuffer(bytearray(content), dtype=torch.uint8)))


def serving_transform(preprocessing: Preprocessing, pipeline: ServingPipeline, *, crop: bool) -> Transform:
    """Return the transform of a serving pipeline, up to normalisation.

    The model's own size, crop and interpolation are kept where the pipeline states none.

    Args:
        preprocessing: the model's own.
        pipeline: the pipeline.
        crop: see `Preprocessing.transform`; False keeps images of the final size whole.

    Returns:
        A function from an RGB image to a uint8 tensor of shape (3, height, width), or to a normalised float32
        tensor with the model's channels, which a `call` may return.

    Raises:
        ModelError: the library lacks the model's interpolation.
    """
    if pipeline.call:
        return _called(pipeline.call, preprocessing.input_size)
    own = replace(preprocessing.transform(crop=crop), **_CROPS.get(pipeline.crop or "", {}))
    method = _method(pipeline, own.interpolation)

    def transform(image: Image.Image) -> Tensor:
        if pipeline.jpeg is not None:
            file = io.BytesIO()
            image.save(file, "JPEG", quality=pipeline.jpeg)
            image = Image.open(file).convert("RGB")
        height, width = own.resized_size((image.height, image.width))
        size = max(height, 1), max(width, 1)  # a thin line in a letterbox
        pixels = own.cropped(_resized(image, size, pipeline.resize or Resize(), method))
        return pixels.flip(0) if pipeline.channels == "BGR" else pixels

    return transform


def _method(pipeline: ServingPipeline, interpolation: str) -> str:
    """Return the method of the resize, by default the model's interpolation."""
    if pipeline.resize is None:
        return interpolation
    method = pipeline.resize.method or interpolation
    library = pipeline.resize.library
    if library != "pillow" and method not in METHODS[library]:
        raise ModelError(
            f"resize: {library} has no method '{method}', which the model's preprocessing states",
            where="serving",
            allowed=", ".join(METHODS[library]),
            hint="State one under resize.method.",
        )
    return method


def _resized(image: Image.Image, size: Size, resize: Resize, method: str) -> Image.Image:
    """Return an image resized by a library."""
    height, width = size
    if size == (image.height, image.width):
        return image
    if resize.library == "pillow":
        return image.resize((width, height), Image.Resampling[method.upper()])
    if resize.library == "opencv":
        import cv2

        interpolation = getattr(cv2, _OPENCV[method])
        return Image.fromarray(cv2.resize(np.array(image), (width, height), interpolation=interpolation))
    from torchvision.transforms import InterpolationMode  # takes more than a second
    from torchvision.transforms.v2 import functional

    mode = InterpolationMode(method)
    antialias = resize.antialias is not False
    return Image.fromarray(array_of(functional.resize(pixels_of(image), [*size], mode, antialias=antialias)))


def _function(call: str) -> Any:
    """Return the object that a manifest names, of a module below the current folder.

    Manifests are not trusted: they may choose among the user's own functions, and call no installed ones.

    Raises:
        ModelError: it is defined in another module, cannot be imported, or is not callable.
    """
    error = partial(ModelError, where=f"serving: {call}")
    name = call.partition(":")[0].partition(".")[0]
    here = Path.cwd().resolve()
    module = find_spec(name)
    places = [] if module is None else [*(module.submodule_search_locations or ()), module.origin or ""]
    paths = [Path(place).resolve() for place in places if Path(place).is_absolute()]  # not "frozen"
    if places and not any(path.is_relative_to(here) and "site-packages" not in path.parts for path in paths):
        raise error(
            "a manifest cannot call installed code",
            got=f"the module '{name}'",
            allowed=f"a function of a module in {here}; write one that calls it",
        )
    value = imported_object(call)
    own = call.partition(":")[0]
    if not callable(value):
        raise error(
            "is not callable",
            got=f"a value of type {type(value).__name__}",
            allowed="a function from an RGB image of Pillow to an array",
        )
    module = getattr(value, "__module__", None)
    if module != own:
        raise error(got=f"an object of {module}", allowed=f"one that {own} defines")
    return value


def _called(call: str, input_size: tuple[int, int, int]) -> Transform:
    """Return a user's function as a transform.

    Args:
        call: `package.module:function`, imported at the first image.
        input_size: channels, height and width of the model's input.
    """
    where, function = f"serving: {call}", cache(partial(_function, call))  # a plan imports nothing
    error = partial(ModelError, where=where, allowed=_ALLOWED)
    shapes = {"uint8": (*input_size[1:], 3), "float32": input_size}
    dtypes = set[str]()

    def prepared(image: Image.Image) -> Any:
        with model_errors(f"raised on an image of {image.height} × {image.width}:", where=where):
            value = function()(image.copy())
            return value.detach().cpu().numpy() if isinstance(value, Tensor) else value

    def transform(image: Image.Image) -> Tensor:
        value = prepared(image)
        if not isinstance(value, np.ndarray) or shapes.get(str(value.dtype)) != value.shape:
            got, (_, height, width) = f"a value of type {type(value).__name__}", input_size
            if isinstance(value, np.ndarray):
                got = f"{value.dtype} of shape {value.shape}"
            raise error(got=got, hint=f"The model's input is {height} × {width}.")
        if not np.isfinite(value).all():
            raise error(got="NaN or infinity")
        if not dtypes and not np.array_equal(value, prepared(image)):
            raise error(got="different arrays for the same image", allowed="a function without randomness")
        dtypes.add(str(value.dtype))
        if len(dtypes) > 1:
            raise error(got="uint8 for one image and float32 for another")
        tensor = torch.from_numpy(np.array(value))
        return tensor.permute(2, 0, 1) if tensor.dtype == torch.uint8 else tensor

    return transform
