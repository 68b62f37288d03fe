"""Predictions for images outside a suite, for tests of a model in Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from quba_check.engine.decisions import probabilities
from quba_check.errors import UserError
from quba_check.messages import listed
from quba_check.models.classifier import Classifier
from quba_check.models.preprocessing.fast import fast_transform
from quba_check.models.preprocessing.preprocessing import pixels_of

Images = Sequence["Image.Image | NDArray[np.uint8]"] | torch.Tensor
"""Images as loaded from files, or a batch of preprocessed ones."""
SHOWN = 5
"""Largest number of images in the text of `Answers`."""
_ALLOWED = (
    "a list of PIL images or uint8 arrays (H, W, 3), or a float tensor (N, 3, H, W) of prepared images with "
    "values in [0, 1]"
)


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """A model's predictions for N images, in its own classes.

    Attributes:
        predicted: (N,) int64, predicted class.
        confidence: (N,) float32, probability of the predicted class, in [0, 1].
        probabilities: (N, C) float32, in [0, 1].
    """

    predicted: NDArray[np.int64]
    confidence: NDArray[np.float32]
    probabilities: NDArray[np.float32]

    def __repr__(self) -> str:
        pairs = zip(self.predicted.tolist(), self.confidence.tolist(), strict=True)
        first = listed((f"{predicted} ({confidence:.3f})" for predicted, confidence in pairs), SHOWN)
        return f"Answers(n={len(self)}, predicted {first or 'none'})"

    def __len__(self) -> int:
        return len(self.predicted)


def answers(
    classifier: Classifier, images: Images, *, crop: bool, batch_size: int, fast: bool = False
) -> Answers:
    """Return a model's predictions for images.

    Args:
        classifier: the model, with a known kind of outputs.
        images: images of any size, which pass the model's evaluation transform; or a float tensor
            (N, 3, H, W) in [0, 1], which is only normalised.
        crop: True for the full transform; False for images at their final size, which are resized at most.
        batch_size: images of a forward pass.
        fast: resize as `preprocessing.fast` does; False takes timm's transform.

    Raises:
        UserError: the input is not a list of images or a float tensor.
        ModelError: the model fails on the images, or its answers cannot be used.
    """
    starts = range(0, len(images), batch_size)
    if isinstance(images, torch.Tensor):
        _check_prepared(images)
        batches = (classifier.pixels(images[k : k + batch_size].float()) for k in starts)
    else:
        pictures: list[Any] = [_picture(image, number) for number, image in enumerate(images)]
        transform: Callable[[Any], torch.Tensor] = classifier.preprocessing.transform(crop=crop)
        if fast:
            pictures = list(map(pixels_of, pictures))
            transform = fast_transform(classifier.preprocessing, crop=crop)
        stacks = (
            torch.stack([transform(picture) for picture in pictures[k : k + batch_size]]) for k in starts
        )
        batches = (classifier.pixels(stack) for stack in stacks)
    parts = []
    for pixels in batches:
        with torch.no_grad():
            logits = classifier.logits(classifier.raw(classifier.normalise(pixels)))
        parts.append(probabilities(logits).cpu().numpy())
    p = np.concatenate(parts) if parts else np.zeros((0, classifier.head.classes), dtype=np.float32)
    predicted = p.argmax(axis=1)
    return Answers(predicted.astype(np.int64), p[np.arange(len(p)), predicted], p)


def _check_prepared(images: torch.Tensor) -> None:
    error = partial(UserError, where="answers", allowed=_ALLOWED)
    if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
        shape = ", ".join(map(str, images.shape))
        raise error(got=f"a tensor of {images.dtype} and shape ({shape})")
    if len(images) and not bool(((images >= 0) & (images <= 1)).all()):  # NaN is outside too
        raise error(
            got=f"values from {images.min():.3g} to {images.max():.3g}", hint="Normalisation is done here."
        )


def _picture(image: Any, number: int) -> Image.Image:
    if isinstance(image, Image.Image):
        return image.convert("RGB")
    if isinstance(image, np.ndarray):
        if image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size:
            return Image.fromarray(image)
        got = f"an array of {image.dtype} and shape {image.shape}"
    else:
        got = f"a value of type {type(image).__name__}"
    raise UserError(f"image {number} is {got}", where="answers", allowed=_ALLOWED)
