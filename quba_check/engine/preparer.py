"""Images for the model: decoded, preprocessed, and corrupted if the view asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch

from quba_check.core.view import CORRUPTIONS, EXTRA_CORRUPTIONS, View
from quba_check.engine.cache_keys import library_versions
from quba_check.models.classifier import Classifier
from quba_check.models.preprocessing.fast import fast_transform, rgb_pixels
from quba_check.models.preprocessing.preprocessing import array_of
from quba_check.models.preprocessing.serving import Transform, decoder, serving_transform
from quba_check.storage.image_cache import ImageCache, KeptImages, Pixels
from quba_check.storage.store import content_hash
from quba_check.suites.readers.arrays import array_rows
from quba_check.suites.suite import Example, Suite

FORMAT = 1
"""Increased with the meaning of kept images, so that old ones are never read."""
_CORRUPTION_STREAM = 0xC0
Prepare = Callable[[Example], torch.Tensor]


@dataclass(eq=False)
class Preparer:
    """Turns examples into preprocessed uint8 images (3, H, W).

    Attributes:
        suite: the source of the images.
        classifier: the model whose preprocessing is used.
        cache: preprocessed images of this and other runs; None keeps none.
    """

    suite: Suite
    classifier: Classifier
    cache: ImageCache | None = None
    _originals: dict[str, _Originals] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._preprocessing = self.classifier.preprocessing
        pipeline = self._preprocessing.pipeline
        self._decode = decoder(None if pipeline is None else pipeline.decode)
        transform: Callable[..., Transform] = self._preprocessing.transform
        if pipeline is not None:
            transform = partial(serving_transform, self._preprocessing, pipeline)
        self._transforms = {crop: transform(crop=crop) for crop in (True, False)}
        crops = (True, False) if self.classifier.is_prepared_fast else ()
        self._fast = {crop: fast_transform(self._preprocessing, crop=crop) for crop in crops}
        # Each model sees the images of a pipeline once, and a user's function may return floats.
        self.cache = self.cache if pipeline is None else None

    def of(self, view: View, *, crop: bool) -> Prepare:
        """Return the function that prepares examples of a view.

        Args:
            view: the view. A generated corruption is applied to the preprocessed clean image, and encoded if
                the suite asks for it; its randomness depends on seed, image index, corruption and severity
                alone.
            crop: True for the full evaluation transform; False only resizes, if necessary.
        """
        prepare = partial(self._prepared, crop=crop)
        if not self.suite.is_generated(view):
            return prepare
        return lambda example: _tensor(self._corrupted(view, example, array_of(prepare(example))))

    def shard(self, view: View, files: str, examples: Sequence[Example], *, crop: bool) -> ShardImages:
        """Return the images of a shard, and keep them for later passes and models.

        The images before a generated corruption are kept, not the corrupted ones. Views with the same
        originals that are open at the same time share them. Call this from one thread.

        Args:
            view: the view.
            files: hash of the shard's files, which names its images in the cache.
            examples: its examples.
            crop: see `of`.
        """
        is_generated = self.suite.is_generated(view)
        key = content_hash({"settings": self._settings, "files": files, "crop": crop})
        for other, unused in list(self._originals.items()):  # those of this key stay open
            is_empty = unused.kept is None and unused.memory is None
            if not unused.users and (other != key or is_empty):
                del self._originals[other]
        originals = self._originals.get(key)
        if originals is None:
            shape = (len(examples), *self._preprocessing.input_size[1:], 3)
            is_read_fast = self._final(examples[:1], crop) is not None
            kept = None if self.cache is None or is_read_fast else self.cache.open(key, shape)
            originals = self._originals[key] = _Originals(partial(self._pixels, crop=crop), kept)
        if is_generated and originals.memory is None:  # all 75 corruptions start from these images
            originals.memory = {}
        originals.users += 1
        finish = partial(self._corrupted, view) if is_generated else None
        return ShardImages(originals, examples, finish)

    @cached_property
    def _settings(self) -> dict[str, Any]:
        """Settings that determine the pixels.

        Normalisation and temperature come later, so they are left out. The mean stays if it is
        the colour of a padded border.
        """
        preprocessing = self._preprocessing.as_dict()
        is_padded = self._preprocessing.crop_mode == "border"
        for name in ("std", "source", "temperature", *(() if is_padded else ("mean",))):
            preprocessing.pop(name, None)
        return {"format": FORMAT, "preprocessing": preprocessing, "libraries": dict(library_versions())}

    def _corrupted(self, view: View, example: Example, pixels: Pixels) -> Pixels:
        from quba_check.suites.corruptions import corrupt, reencode  # loads OpenCV: 16 MB

        name, severity = example.condition or (str(view.corruption), int(view.severity or 0))
        number = (*CORRUPTIONS, *EXTRA_CORRUPTIONS).index(name)
        seed = self.suite.sampler.seed
        rng = np.random.default_rng([seed, _CORRUPTION_STREAM, example.index, number, severity])
        corrupted = corrupt(pixels, name, severity, rng)
        if self.suite.encoding is not None:
            corrupted = reencode(corrupted, self.suite.encoding)
        return corrupted

    def _pixels(self, examples: Sequence[Example], crop: bool) -> Pixels:
        """Return prepared images, (n, H, W, 3)."""
        pixels = self._final(examples, crop)
        if pixels is not None:
            return pixels
        return np.stack([array_of(self._prepared(example, crop)) for example in examples])

    def _final(self, examples: Sequence[Example], crop: bool) -> Pixels | None:
        """Return images of an array at their final size; None for others."""
        if self._preprocessing.pipeline or (pixels := array_rows(self.suite.root, examples)) is None:
            return None
        transform = self._preprocessing.transform(crop=crop)
        is_final = pixels.shape[1:3] == transform.size == transform.resized_size(transform.size)
        return pixels if is_final else None

    def _prepared(self, example: Example, crop: bool) -> torch.Tensor:
        if self._fast and self.suite.may_be_jpeg(example):
            return self._fast[crop](self.suite.read_image(example, rgb_pixels))
        return self._transforms[crop](self.suite.read_image(example, self._decode))


@dataclass(eq=False)
class ShardImages:
    """The images of a shard of a view; open one with `Preparer.shard`.

    Attributes:
        originals: the preprocessed originals.
        examples: the examples of the shard.
        finish: turns an example's original (H, W, 3) into the image of the view; None for originals.
        is_open: False once the images are kept.
    """

    originals: _Originals
    examples: Sequence[Example]
    finish: Callable[[Example, Pixels], Pixels] | None
    is_open: bool = True

    def images(self, positions: slice) -> torch.Tensor:
        """Return the uint8 images (n, 3, H, W) at positions of the shard.

        Call it from any thread, in any order. Views share what is read at the same positions.

        Raises:
            SuiteError: an image cannot be decoded.
        """
        examples = self.examples[positions]
        pixels = self.originals.pixels(positions, examples)
        if self.finish is not None:
            pixels = np.stack(list(map(self.finish, examples, pixels)))
        return _tensor(pixels)

    def close(self) -> None:
        """Keep the images if all were read.

        Call it from the thread that opened the shard; a second call does nothing.
        """
        if self.is_open:
            self.is_open = False
            self.originals.users -= 1
            if not self.originals.users and self.originals.kept is not None:
                self.originals.kept.finish()


@dataclass(eq=False)
class _Originals:
    """The preprocessed originals of a shard, each decoded once if they are kept.

    Attributes:
        prepare: decodes and preprocesses examples.
        kept: images of the cache; None if they are not kept.
        memory: images by the positions that were read together, for generated corruptions; None if each is
            read once.
        users: number of open `ShardImages`. Without any they stay open until another shard is opened.
    """

    prepare: Callable[[Sequence[Example]], Pixels]
    kept: KeptImages | None
    memory: dict[tuple[int, int], Pixels] | None = None
    users: int = 0

    def pixels(self, positions: slice, examples: Sequence[Example]) -> Pixels:
        """Return images (n, H, W, 3)."""
        place = positions.start, positions.stop
        if self.memory is not None and place in self.memory:
            return self.memory[place]
        pixels = None if self.kept is None else self.kept.read(positions)
        if pixels is None:
            pixels = self.prepare(examples)
            if self.kept is not None:
                self.kept.write(positions, pixels)
        if self.memory is not None:
            self.memory[place] = pixels
        return pixels


def stacked(images: Iterable[torch.Tensor]) -> torch.Tensor:
    """Stack images (3, H, W) into a tensor with the channels last.

    numpy copies in this thread; torch would take threads from the model's forward pass.
    """
    return _tensor(np.stack(list(map(array_of, images))))


def _tensor(pixels: Pixels) -> torch.Tensor:
    """Return pixels (…, H, W, 3) as a tensor (…, 3, H, W)."""
    return torch.from_numpy(pixels).movedim(-1, -3)
