"""The model and suite under examination, and the answers that checks ask of them."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from quba_check.core.protocols import STANDARD, Protocol
from quba_check.core.view import CLEAN, View
from quba_check.doctor.sampling import stratified
from quba_check.engine.loader import Preparer, batches
from quba_check.models.classifier import Classifier
from quba_check.models.outputs import SPECIFIC_TO_GENERAL, OutputKind, output_kind, to_logits
from quba_check.models.preprocessing.preprocessing import Preprocessing
from quba_check.suites.suite import Example, Suite

SAMPLE = 512
"""Clean images that are looked at, at most."""
SHORT_SAMPLE = 64
"""The same in the short form, before a gate run."""
BATCH = 32
_PIXELS_KEPT = 128 * 2**20
"""Bytes of prepared images that are kept for the next variant of the normalisation."""


@dataclass(frozen=True, slots=True)
class Variant:
    """Another way to show a model its images.

    Attributes:
        preprocessing: how images are prepared.
        is_bgr: the channels go in as blue, green, red.
    """

    preprocessing: Preprocessing
    is_bgr: bool = False


def contradicts(seen: OutputKind, stated: OutputKind) -> bool:
    """Whether answers that look so cannot be what is stated. Logits may look like all but probabilities."""
    if stated == "logits":
        return seen == "probabilities"
    return SPECIFIC_TO_GENERAL.index(seen) > SPECIFIC_TO_GENERAL.index(stated)


class ModelUnderTest:
    """A classifier on a suite, examined by few images.

    Args:
        classifier: the model; its parameters are never changed.
        suite: the images.
        seed: which images are drawn, and of generated corruptions.
        protocol: whether prepared sets are cropped.
        needs: the dimensions that will be demanded, each with `file:line` of the demands that need it.
        order: class names in the order of the model's outputs, where the user says so.
        short: look at fewer images, as before a gate run.

    Attributes:
        forwards: images that the model was shown so far.
        decoded: image files that were decoded to look at them as they are stored.
        witnesses: paths of the files of which samples were drawn.
    """

    def __init__(
        self,
        classifier: Classifier,
        suite: Suite,
        *,
        seed: int = 0,
        protocol: Protocol = STANDARD,
        needs: Mapping[str, Sequence[str]] | None = None,
        order: Sequence[str] | None = None,
        short: bool = False,
    ) -> None:
        self.classifier = classifier
        self.suite = suite
        self.seed = seed
        self.protocol = protocol
        self.needs = {} if needs is None else dict(needs)
        self.order = None if order is None else tuple(order)
        self.short = short
        self.forwards = 0
        self.decoded = 0
        self.witnesses: dict[str, None] = {}
        self._left_out: set[tuple[View, int]] = set()
        self._answers: dict[tuple[View, Variant], dict[int, Tensor]] = {}
        self._pixels: OrderedDict[tuple[View, str, int], Tensor] = OrderedDict()
        self._preparers: dict[str, Preparer] = {}
        self._samples: dict[View, tuple[Example, ...]] = {}
        self._pool = ThreadPoolExecutor(max(1, min(4, (os.cpu_count() or 1) // 2)), "quba-doctor")

    @property
    def usual(self) -> Variant:
        """How the model is shown images when it is measured."""
        return Variant(self.classifier.preprocessing)

    def has(self, view: View) -> bool:
        """Whether the suite has images for a view."""
        return view.set in self.suite.facts.spaces and self.suite.missing(view) is None

    def leave_out(self, view: View, example: Example) -> None:
        """Keep an image, such as one that cannot be decoded, out of samples that are drawn from now on."""
        self._left_out.add((view.images, example.index))
        self._samples.pop(view.images, None)

    def sample(self, view: View = CLEAN, limit: int | None = None) -> tuple[Example, ...]:
        """Examples of a view, of all classes alike; a shorter sample is the beginning of a longer one.

        Args:
            view: the images; its set must be there.
            limit: how many at most; None takes 512, or 64 in the short form.

        Raises:
            SuiteError: the set is not laid out as it should be.
        """
        images = view.images
        if images not in self._samples:
            examples = [
                example
                for example in self.suite.examples(images)
                if (images, example.index) not in self._left_out
            ]
            self._samples[images] = stratified(examples, SAMPLE, self.seed)
        drawn = self._samples[images][: (SHORT_SAMPLE if self.short else SAMPLE) if limit is None else limit]
        self.witnesses.update((str(self.suite.path(example)), None) for example in drawn)
        return drawn

    def inputs(
        self, examples: Sequence[Example], view: View = CLEAN, variant: Variant | None = None
    ) -> Tensor:
        """The model's inputs for a batch of examples of a view; (N, 3, H, W) on its device.

        Args:
            examples: of the view's set.
            view: which set they are of.
            variant: how they are shown; None as when the model is measured.

        Raises:
            SuiteError: an image cannot be decoded.
        """
        variant = variant or self.usual
        prepare = self._prepare(view.images, variant.preprocessing)
        ((_, images),) = batches(examples, prepare, len(examples), self._pool)
        return self._shown(images, variant)

    def show(self, inputs: Tensor, *, exact: bool = False) -> Tensor:
        """Return the module's outputs for the suite's classes, (N, C) on the CPU; see `Classifier.raw`."""
        self.forwards += len(inputs)
        with torch.no_grad():
            return self.classifier.select_classes(self.classifier.raw(inputs, exact=exact)).cpu()

    def raw(self, examples: Sequence[Example], view: View = CLEAN, variant: Variant | None = None) -> Tensor:
        """What the module returns for examples, each shown once however often it is asked for.

        Args:
            examples: of the view's set.
            view: which set they are of.
            variant: how they are shown; None as when the model is measured.

        Returns:
            (N, outputs) float32 on the CPU, including outputs that are no classes of the suite.

        Raises:
            ModelError: the model fails on them, or its answers are no class scores.
            SuiteError: an image cannot be decoded.
        """
        variant = variant or self.usual
        known = self._answers.setdefault((view.images, variant), {})
        new = [example for example in examples if example.index not in known]
        for chunk, images in batches(
            new, self._prepare(view.images, variant.preprocessing), BATCH, self._pool
        ):
            answers = self._answers_that_fit(images, variant)
            self.forwards += len(chunk)
            known.update((example.index, row) for example, row in zip(chunk, answers, strict=True))
        return torch.stack([known[example.index] for example in examples])

    def _answers_that_fit(self, images: Tensor, variant: Variant) -> Tensor:
        """Answers to a batch, in halves as often as memory asks for it."""
        try:
            with torch.no_grad():
                return self.classifier.raw(self._shown(images, variant)).cpu()
        except torch.OutOfMemoryError:
            if len(images) == 1:
                raise
        return torch.cat([self._answers_that_fit(half, variant) for half in images.tensor_split(2)])

    def logits(
        self, examples: Sequence[Example], view: View = CLEAN, variant: Variant | None = None
    ) -> Tensor:
        """Class scores z with p = softmax(z), (N, C) on the CPU; see `raw`."""
        raw = self.raw(examples, view, variant)
        return self.classifier.select_classes(to_logits(raw, self.outputs))

    @cached_property
    def outputs(self) -> OutputKind:
        """What the model returns: as stated, unless its answers to clean images contradict that."""
        raw = self.raw(self.sample(limit=BATCH))
        seen = output_kind(raw, half=self.classifier.precision != "fp32")
        stated = self.classifier.outputs
        return seen if stated is None or contradicts(seen, stated) else stated

    def _shown(self, images: Tensor, variant: Variant) -> Tensor:
        prepared = replace(self.classifier, preprocessing=variant.preprocessing)
        inputs = prepared.normalise(images.to(self.classifier.device).float().div(255))
        return inputs.flip(1) if variant.is_bgr else inputs

    def _prepare(self, view: View, preprocessing: Preprocessing) -> Callable[[Example], Tensor]:
        # Variants of the normalisation differ in nothing that happens before it.
        geometry = str((*preprocessing.input_size, preprocessing.interpolation, preprocessing.crop_pct))
        geometry += preprocessing.crop_mode
        if geometry not in self._preparers:
            prepared = replace(self.classifier, preprocessing=preprocessing)
            self._preparers[geometry] = Preparer(self.suite, prepared, self.seed)
        crop = self.protocol.crops_prepared or not self.suite.is_prepared(view)
        prepare = self._preparers[geometry].of(view, crop=crop)

        def kept(example: Example) -> Tensor:
            key = view, geometry, example.index
            pixels = self._pixels.get(key)
            if pixels is None:
                pixels = self._pixels[key] = prepare(example)
                while len(self._pixels) * pixels.nbytes > _PIXELS_KEPT:
                    self._pixels.popitem(last=False)
            return pixels

        return kept
