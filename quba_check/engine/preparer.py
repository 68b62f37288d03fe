"""Images for the model: decoded, preprocessed, and corrupted if the view asks for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch

from quba_check.core.view import CORRUPTIONS, View
from quba_check.models.classifier import Classifier
from quba_check.models.preprocessing.fast import fast_transform, rgb_pixels
from quba_check.storage.store import SHARD_SIZE
from quba_check.suites.corruptions import corrupt, reencode
from quba_check.suites.suite import Example, Suite

_CORRUPTION_STREAM = 0xC0
Prepare = Callable[[Example], torch.Tensor]


class Preparer:
    """Turns examples into preprocessed uint8 images (3, H, W).

    The last shard of preprocessed clean images is cached, since all 75 generated corruptions start from them.

    Args:
        suite: the source of the images.
        classifier: the model whose preprocessing is used.
        seed: seed of the run.
    """

    def __init__(self, suite: Suite, classifier: Classifier, seed: int) -> None:
        self._suite = suite
        self._seed = seed
        preprocessing = classifier.preprocessing
        self._transforms = {crop: preprocessing.transform(crop=crop) for crop in (True, False)}
        self._fast = (
            {crop: fast_transform(preprocessing, crop=crop) for crop in (True, False)}
            if classifier.is_prepared_fast
            else None
        )
        self._cached = lru_cache(maxsize=SHARD_SIZE)(self._prepared)

    def of(self, view: View, *, crop: bool) -> Prepare:
        """Return the function that prepares examples of a view.

        Args:
            view: the view. A generated corruption is applied to the preprocessed clean image, and encoded if
                the suite asks for it; its randomness depends on seed, image index, corruption and severity
                alone.
            crop: True for the full evaluation transform; False only resizes, if necessary.
        """
        if not self._suite.is_generated(view):
            return lambda example: self._prepared(example, crop)
        own = str(view.corruption), int(view.severity or 0)
        encoding = self._suite.encoding

        def corrupted_example(example: Example) -> torch.Tensor:
            name, severity = example.condition or own
            number = CORRUPTIONS.index(name)
            image = self._cached(example, crop).permute(1, 2, 0).numpy()
            rng = np.random.default_rng([self._seed, _CORRUPTION_STREAM, example.index, number, severity])
            pixels = corrupt(image, name, severity, rng)
            if encoding is not None:
                pixels = reencode(pixels, encoding)
            return torch.from_numpy(pixels).permute(2, 0, 1)

        return corrupted_example

    def _prepared(self, example: Example, crop: bool) -> torch.Tensor:
        if self._fast is not None and self._suite.may_be_jpeg(example):
            return self._fast[crop](self._suite.read_image(example, rgb_pixels))
        return self._transforms[crop](self._suite.image(example))
