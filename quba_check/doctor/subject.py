"""The model and suite under examination, with cached answers for the checks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor

from quba_check.core.protocols import STANDARD
from quba_check.core.view import CLEAN, View
from quba_check.doctor.finding import Finding, Severity
from quba_check.doctor.significance import FEWEST
from quba_check.doctor.time_budget import TimeBudget
from quba_check.engine.batching import Batching
from quba_check.engine.engine import Engine
from quba_check.engine.loader import batches, default_threads
from quba_check.engine.preparer import Preparer
from quba_check.models.classifier import Classifier
from quba_check.models.outputs import SPECIFIC_TO_GENERAL, OutputKind, to_logits
from quba_check.models.preprocessing.preprocessing import Preprocessing
from quba_check.suites.suite import Example, Suite

SAMPLE, SHORT_SAMPLE = 512, 64
"""Largest number of clean images to read; the second in the short form, before a gate run."""
BATCH = 32
PROBE = 8
"""Images that are shown in any case: to compare passes, and as a first look."""
_PIXEL_CACHE = 64 * 2**20
"""Bytes of prepared images to cache for further variants of the normalisation."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A way to prepare images for a model.

    Attributes:
        preprocessing: resize, crop and normalisation.
        is_bgr: the channels are in the order blue, green, red.
        name: for messages.
    """

    preprocessing: Preprocessing
    is_bgr: bool = False
    name: str = field(default="", compare=False)


@dataclass(eq=False, repr=False)
class ModelUnderTest:
    """A classifier on a suite, with sampled images and cached answers.

    Images are prepared as under protocol `standard`.

    Attributes:
        classifier: the model; its parameters never change.
        suite: the images.
        seed: of the samples, and of generated corruptions.
        needs: the demanded dimensions, each with `file:line` of its demands.
        order: the user's class names in the order of the model's outputs, if given.
        estimate_order: propose a class order estimated from the answers.
        short: use fewer images, as before a gate run.
        engine: predictions of the run that follows; None if there is none.
        budget: time budget; `raw` and `inputs` raise `OutOfTimeError` when it is over.
        forwards: number of images in forward passes so far.
        decoded: number of image files decoded to check them.
        pool: threads that read images.
    """

    classifier: Classifier
    suite: Suite
    _: KW_ONLY
    seed: int = 0
    needs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    order: Sequence[str] | None = None
    estimate_order: bool = False
    short: bool = False
    engine: Engine | None = None
    budget: TimeBudget = field(default_factory=TimeBudget)
    forwards: int = field(default=0, init=False)
    decoded: int = field(default=0, init=False)
    pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(default_threads(torch.device("cpu")), "quba-doctor"),
        init=False,
    )
    _excluded: set[tuple[View, int]] = field(default_factory=set, init=False)
    _answers: dict[tuple[View, Variant], dict[int, Tensor]] = field(default_factory=dict, init=False)
    _pixels: OrderedDict[tuple[View, Preprocessing, int], Tensor] = field(
        default_factory=OrderedDict, init=False
    )
    _preparers: dict[Preprocessing, Preparer] = field(default_factory=dict, init=False)
    _samples: dict[View, tuple[Example, ...]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Share outputs with the engine, if it crops clean images in the same way."""
        engine = self.engine
        if engine is not None and engine.cache_keys.is_cropped(CLEAN) == self._is_cropped(CLEAN):
            self._answers[CLEAN.images, self.current] = engine.worker.shown

    @property
    def current(self) -> Variant:
        """The preprocessing in use when the model is measured."""
        return Variant(self.classifier.preprocessing)

    def has_images(self, view: View) -> bool:
        """True if the suite has images for a view."""
        return view.set in self.suite.facts.spaces and self.suite.missing(view) is None

    def has_enough_images(self) -> bool:
        """True if the clean set has enough images for a conclusion."""
        return self.has_images(CLEAN) and len(self.sample(limit=FEWEST)) >= FEWEST

    def finding(
        self, check: str, problem: str, evidence: str, fix: str, *, severity: Severity = "problem"
    ) -> Finding:
        """Return a finding about the model; its text begins with the model's spec."""
        problem = f"{self.classifier.spec}: {problem}"
        return Finding(check=check, problem=problem, evidence=evidence, fix=fix, severity=severity)

    def exclude(self, view: View, example: Example) -> None:
        """Exclude an image, such as a broken one, from later samples."""
        self._excluded.add((view.images, example.index))
        self._samples.pop(view.images, None)

    def sample(self, view: View = CLEAN, limit: int | None = None) -> tuple[Example, ...]:
        """Return examples of a view, balanced over the classes; shorter samples begin longer ones.

        Args:
            view: a view of an existing set.
            limit: largest number of examples; None takes 512, or 64 in the short form.

        Raises:
            SuiteError: the set's layout is invalid.
        """
        images = view.images
        if images not in self._samples:
            candidates = [
                example
                for example in self.suite.examples(images)
                if (images, example.index) not in self._excluded
            ]
            self._samples[images] = stratified(candidates, SAMPLE, self.seed)
        if limit is None:
            limit = SHORT_SAMPLE if self.short else SAMPLE
        return self._samples[images][:limit]

    def inputs(
        self, examples: Sequence[Example], view: View = CLEAN, variant: Variant | None = None
    ) -> Tensor:
        """Return the model's inputs for examples of a view.

        Args:
            examples: of the view's set.
            view: the view.
            variant: of the preprocessing; None for the one in use.

        Returns:
            (N, 3, H, W) float32, normalised, on the model's device.

        Raises:
            SuiteError: an image cannot be decoded.
        """
        self.budget.check()
        variant = variant or self.current
        prepare = self._prepare(view.images, variant.preprocessing)
        ((_, images),) = batches(examples, prepare, len(examples), self.pool)
        return self._normalise(images, variant)

    def forward(self, inputs: Tensor, *, exact: bool = False) -> Tensor:
        """Return the module's outputs for the suite's classes, (N, C) on the CPU; see `Classifier.raw`."""
        self.forwards += len(inputs)
        with torch.no_grad():
            return self.classifier.select_classes(self.classifier.raw(inputs, exact=exact)).cpu()

    def raw(self, examples: Sequence[Example], view: View = CLEAN, variant: Variant | None = None) -> Tensor:
        """Return the module's outputs for examples, from a cache after the first pass.

        Args:
            examples: of the view's set.
            view: the view.
            variant: of the preprocessing; None for the one in use.

        Returns:
            (N, outputs) float32 on the CPU, including outputs outside the suite's classes.

        Raises:
            ModelError: the model fails, or its outputs are not class scores.
            SuiteError: an image cannot be decoded.
            OutOfTimeError: the time budget is over.
        """
        variant = variant or self.current
        rows = self._answers.setdefault((view.images, variant), {})
        new = [example for example in examples if example.index not in rows]
        prepare = self._prepare(view.images, variant.preprocessing)
        if new:
            self.budget.check()
        batching = Batching(self.classifier, None)
        for chunk, images in batches(new, prepare, batching.size, self.pool):
            outputs = torch.cat(batching.run(partial(self._outputs, variant=variant), list(images)))
            self.forwards += len(chunk)
            rows.update((example.index, row) for example, row in zip(chunk, outputs, strict=True))
            if len(rows) < len(examples):
                self.budget.check()
        return torch.stack([rows[example.index] for example in examples])

    def logits(
        self, examples: Sequence[Example], view: View = CLEAN, variant: Variant | None = None
    ) -> Tensor:
        """Return class scores z with p = softmax(z), (N, C) on the CPU; see `raw`."""
        raw = self.raw(examples, view, variant)
        return self.classifier.select_classes(
            to_logits(raw, self.outputs, self.current.preprocessing.temperature)
        )

    @cached_property
    def outputs(self) -> OutputKind:
        """Kind of the model's outputs: as stated, unless clean images contradict it."""
        stated = self.classifier.outputs
        return self.observed_outputs if stated is None or self.contradicts(stated) else stated

    @cached_property
    def observed_outputs(self) -> OutputKind:
        """Kind of the model's outputs for clean images."""
        examples = self.sample(limit=PROBE if self.short else BATCH)
        return self.classifier.output_kind(self.raw(examples))

    def contradicts(self, stated: OutputKind) -> bool:
        """True if the observed outputs cannot be of the stated kind."""
        if stated == "logits":  # logits can look like sigmoids
            return self.observed_outputs == "probabilities"
        return SPECIFIC_TO_GENERAL.index(self.observed_outputs) > SPECIFIC_TO_GENERAL.index(stated)

    def _outputs(self, images: Sequence[Tensor], variant: Variant) -> Tensor:
        with torch.no_grad():
            return self.classifier.raw(self._normalise(torch.stack([*images]), variant)).cpu()

    def _normalise(self, images: Tensor, variant: Variant) -> Tensor:
        classifier = replace(self.classifier, preprocessing=variant.preprocessing)
        inputs = classifier.normalise(images.to(classifier.device).float().div(255))
        return inputs.flip(1) if variant.is_bgr else inputs

    def _is_cropped(self, view: View) -> bool:
        return STANDARD.crops_prepared or not self.suite.is_prepared(view)

    def _prepare(self, view: View, preprocessing: Preprocessing) -> Callable[[Example], Tensor]:
        """Return the cached preprocessing of a view's examples, up to the normalisation."""
        geometry = replace(preprocessing, mean=(0, 0, 0), std=(1, 1, 1), source="")
        if geometry not in self._preparers:
            classifier = replace(self.classifier, preprocessing=preprocessing)
            self._preparers[geometry] = Preparer(self.suite, classifier, self.seed)
        prepare = self._preparers[geometry].of(view, crop=self._is_cropped(view))

        def prepare_cached(example: Example) -> Tensor:
            key = view, geometry, example.index
            pixels = self._pixels.get(key)
            if pixels is None:
                pixels = self._pixels[key] = prepare(example)
                while len(self._pixels) * pixels.nbytes > _PIXEL_CACHE:
                    self._pixels.popitem(last=False)
            return pixels

        return prepare_cached


def stratified(examples: Sequence[Example], limit: int, seed: int) -> tuple[Example, ...]:
    """Examples in rounds over the classes, shuffled within each round.

    A shorter sample is the beginning of a longer one. Every class has had its k-th image before any class
    has its k+1-st.

    Args:
        examples: all of a set.
        limit: largest number of examples.
        seed: of the order.
    """
    order = np.random.default_rng(seed).permutation(len(examples))
    counts: dict[int, int] = {}
    rounds: list[tuple[int, int]] = []
    for position in order:
        label = examples[position].label
        rounds.append((counts.get(label, 0), int(position)))
        counts[label] = counts.get(label, 0) + 1
    # Sorting is stable: within a round the shuffled order stays.
    return tuple(examples[position] for _, position in sorted(rounds, key=lambda pair: pair[0])[:limit])
