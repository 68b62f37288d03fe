"""The model and suite under examination, with a time budget and cached answers."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cache, cached_property, lru_cache, partial
from itertools import count

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from quba_check.core.predictions import NO_CLASS, Predictions
from quba_check.core.protocols import STANDARD
from quba_check.core.view import CLEAN, View
from quba_check.doctor.finding import Finding, Severity
from quba_check.doctor.significance import FEWEST, is_at_chance
from quba_check.engine.batching import Batching, batches, default_threads
from quba_check.engine.decisions import shard_arrays
from quba_check.engine.engine import Engine
from quba_check.engine.preparer import Preparer
from quba_check.errors import QubaError
from quba_check.models.classifier import Classifier
from quba_check.models.outputs import SPECIFIC_TO_GENERAL, OutputKind, to_logits
from quba_check.models.preprocessing.preprocessing import Preprocessing
from quba_check.suites.suite import Example, Suite

Examples = Sequence[Example]
SECONDS = 60.0
SHORT_SECONDS = 20.0
"""Budget of the command, and of the short form before a gate run."""


class OutOfTimeError(QubaError):
    """The time budget ended before a step."""


class TimeBudget:
    """The time left for an examination, and the steps that it left out.

    Args:
        seconds: the budget, from now.
        clock: seconds of a monotonic clock.

    Attributes:
        left_out: names of the steps without time, in order.
    """

    def __init__(self, seconds: float = math.inf, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._start = clock()
        self.left_out: dict[str, None] = {}

    def is_spent(self, share: float = 1.0) -> bool:
        """True if a share of the budget is over."""
        return self._clock() - self._start >= share * self.seconds

    def check(self) -> None:
        """Raise `OutOfTimeError` if the budget is over."""
        if self.is_spent():
            raise OutOfTimeError

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Note a step during which the budget ends."""
        try:
            yield
        except OutOfTimeError:
            self.leave_out(name)

    def leave_out(self, step: str) -> None:
        """Note a step without time."""
        self.left_out[step] = None


SAMPLE = 512
SHORT_SAMPLE = 64
"""Largest number of clean images to read; the second in the short form, before a gate run."""
BATCH = 32
PROBE = 8
"""Images that are shown in any case: to compare passes, and as a first look."""
_PIXEL_CACHE = 64 * 2**20
"""Bytes of prepared images to cache for further variants of the normalisation."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A way to prepare images for a model, and to read its outputs.

    Attributes:
        preprocessing: resize, crop and normalisation.
        is_bgr: the channels are in the order blue, green, red.
        name: the change of resize or crop, for messages.
        columns: (C,) the output of each class of the suite; None for the suite's order.
    """

    preprocessing: Preprocessing
    is_bgr: bool = False
    name: str = field(default="", compare=False)
    columns: NDArray[np.int64] | None = field(default=None, compare=False)


@dataclass(eq=False, repr=False)
class ModelUnderTest:
    """A classifier on a suite, with sampled images and cached answers.

    Images are prepared as under protocol `standard`.

    Attributes:
        classifier: the model; its parameters never change.
        suite: the images.
        seed: of the samples.
        needs: the demanded dimensions, each with `file:line` of its demands.
        order: the user's class names in the order of the model's outputs, if given.
        estimate_order: propose a class order estimated from the answers.
        short: use fewer images, as before a gate run.
        engine: predictions of the run that follows; None if there is none.
        budget: time budget; `raw` and `inputs` raise `OutOfTimeError` when it is over.
        forwards: number of images in forward passes so far.
        decoded: number of image files decoded to check them.
        pool: threads that read images.
        current: the preprocessing in use when the model is measured, and the suite's class order.
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

    def __post_init__(self) -> None:
        """Begin without answers, except those of an engine that crops clean images likewise."""
        self.budget = TimeBudget()
        self.forwards = self.decoded = 0
        self.pool = ThreadPoolExecutor(default_threads(torch.device("cpu")), "quba-doctor")
        self.current = Variant(self.classifier.preprocessing)
        self._prepared = _prepared_images(self.suite, self.classifier)
        self._samples: dict[View, tuple[Example, ...]] = {}
        self._outputs: dict[tuple[View, Variant], dict[int, Tensor]] = {}
        engine = self.engine
        if engine is not None and engine.cache_keys.is_cropped(CLEAN) != self.suite.is_prepared(CLEAN):
            self._outputs[CLEAN.images, self.current] = engine.worker.shown

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
        self._samples[view.images] = tuple(image for image in self.sample(view, SAMPLE) if image != example)

    def sample(self, view: View = CLEAN, limit: int | None = None) -> tuple[Example, ...]:
        """Return examples of a view, balanced over the classes; shorter samples begin longer ones.

        Args:
            view: a view of an existing set.
            limit: largest number of examples; None takes 512, or 64 in the short form.

        Raises:
            SuiteError: the set's layout is invalid.
        """
        if view.images not in self._samples:
            self._samples[view.images] = stratified(self.suite.examples(view.images), SAMPLE, self.seed)
        return self._samples[view.images][: limit or (SHORT_SAMPLE if self.short else SAMPLE)]

    def inputs(self, examples: Examples, variant: Variant | None = None) -> Tensor:
        """Return the model's inputs for clean examples.

        Args:
            examples: of the clean set.
            variant: of the preprocessing; None for the one in use.

        Returns:
            (N, 3, H, W) float32, normalised, on the model's device.

        Raises:
            SuiteError: an image cannot be decoded.
        """
        self.budget.check()
        variant = variant or self.current
        ((_, images),) = batches(examples, self._prepare(CLEAN, variant), len(examples), self.pool)
        return self._normalised(images, variant)

    @torch.no_grad()
    def forward(self, inputs: Tensor, *, exact: bool = False) -> Tensor:
        """Return the module's outputs for the suite's classes, (N, C) on the CPU; see `Classifier.raw`."""
        self.forwards += len(inputs)
        return self.classifier.select_classes(self.classifier.raw(inputs, exact=exact)).cpu()

    @torch.no_grad()
    def raw(self, examples: Examples, view: View = CLEAN, variant: Variant | None = None) -> Tensor:
        """Return the module's outputs for examples, from a cache after the first pass.

        Args:
            examples: of the view's set.
            view: the view.
            variant: of the preprocessing; None for the one in use.

        Returns:
            (N, outputs) float32 on the CPU, in the model's order, including outputs outside the suite's
            classes.

        Raises:
            ModelError: the model fails, or its outputs are not class scores.
            SuiteError: an image cannot be decoded.
            OutOfTimeError: the time budget is over.
        """
        variant = variant or self.current
        rows = self._outputs.setdefault((view.images, variant), {})
        new = [example for example in examples if example.index not in rows]
        batching = Batching(self.classifier, None)
        for chunk, images in batches(new, self._prepare(view, variant), batching.size, self.pool):
            self.budget.check()
            parts = batching.run(partial(self._forward, variant=variant), list(images))
            self.forwards += len(chunk)
            rows.update(zip((example.index for example in chunk), torch.cat(parts), strict=True))
        return torch.stack([rows[example.index] for example in examples])

    def logits(self, examples: Examples, view: View = CLEAN, variant: Variant | None = None) -> Tensor:
        """Return class scores z with p = softmax(z), (N, C) on the CPU; see `raw`."""
        logits = self.scores(self.raw(examples, view, variant))
        columns = None if variant is None else variant.columns
        return logits if columns is None else logits[:, torch.from_numpy(columns)]

    def scores(self, raw: Tensor) -> Tensor:
        """Convert (N, outputs) to class scores z with p = softmax(z), (N, C)."""
        temperature = self.current.preprocessing.temperature
        return self.classifier.select_classes(to_logits(raw, self.outputs, temperature))

    def answers(
        self, examples: Examples, view: View = CLEAN, variant: Variant | None = None, space: str | None = None
    ) -> Predictions:
        """Return the predictions for examples with a label, in their order; see `raw`.

        Args:
            examples: of the view's set.
            view: the view.
            variant: of preprocessing and class order; None for those in use.
            space: label space for clean images; None takes that of the view's set.
        """
        suite = self.suite
        spaces = [suite.space_of(view.set), *([] if space is None else [suite.space(space)])]
        columns = shard_arrays(view, spaces, STANDARD, examples, self.logits(examples, view, variant))
        suffix = "" if space is None else f"@{spaces[-1].name}"
        names = ("label", "top1", "confidence", "true_probability")
        label, predicted, confidence, true = (columns[f"{name}{suffix}"] for name in names)
        return Predictions(columns["index"], label, predicted, confidence, true).rows(label != NO_CLASS)

    def clean_answers(self, variant: Variant, limit: int | None = None) -> Predictions:
        """Return the predictions for a clean sample; see `sample` and `answers`."""
        return self.answers(self.sample(limit=limit), variant=variant)

    def is_at_chance(self, variant: Variant, limit: int = 64) -> bool:
        """True if the accuracy on a clean sample is that of guessing."""
        answers = self.clean_answers(variant, limit)
        return is_at_chance(int(answers.correct.sum()), len(answers), len(self.suite.classes))

    @cached_property
    def outputs(self) -> OutputKind:
        """Kind of the model's outputs: as stated, unless clean images contradict it."""
        stated = self.classifier.outputs
        return self.observed_outputs if stated is None or self.contradicts(stated) else stated

    @cached_property
    def observed_outputs(self) -> OutputKind:
        """Kind of the model's outputs for clean images."""
        return self.classifier.output_kind(self.raw(self.sample(limit=PROBE if self.short else BATCH)))

    def contradicts(self, stated: OutputKind) -> bool:
        """True if the observed outputs cannot be of the stated kind."""
        if stated == "logits":  # logits can look like sigmoids
            return self.observed_outputs == "probabilities"
        return SPECIFIC_TO_GENERAL.index(self.observed_outputs) > SPECIFIC_TO_GENERAL.index(stated)

    def _forward(self, images: Sequence[Tensor], variant: Variant) -> Tensor:
        return self.classifier.raw(self._normalised(torch.stack([*images]), variant)).cpu()

    def _normalised(self, images: Tensor, variant: Variant) -> Tensor:
        inputs = replace(self.classifier, preprocessing=variant.preprocessing).inputs(images)
        return inputs.flip(1) if variant.is_bgr else inputs

    def _prepare(self, view: View, variant: Variant) -> Callable[[Example], Tensor]:
        """Return the cached preprocessing of a view's examples, up to the normalisation."""
        own = self.current.preprocessing
        geometry = replace(variant.preprocessing, mean=own.mean, std=own.std, source=own.source)
        return partial(self._prepared, view.images, geometry)


def _prepared_images(
    suite: Suite, classifier: Classifier
) -> Callable[[View, Preprocessing, Example], Tensor]:
    """Return a function with a cache that prepares an example of a view."""
    _, height, width = classifier.preprocessing.input_size

    @cache
    def preparer(preprocessing: Preprocessing) -> Preparer:
        return Preparer(suite, replace(classifier, preprocessing=preprocessing))

    @lru_cache(_PIXEL_CACHE // (3 * height * width))
    def image(view: View, preprocessing: Preprocessing, example: Example) -> Tensor:
        return preparer(preprocessing).of(view, crop=not suite.is_prepared(view))(example)

    return image


def stratified(examples: Examples, limit: int, seed: int) -> tuple[Example, ...]:
    """Examples in rounds over the classes, shuffled within each round.

    A shorter sample is the beginning of a longer one. Every class has had its k-th image before any class
    has its k+1-st.

    Args:
        examples: all of a set.
        limit: largest number of examples.
        seed: of the order.
    """
    shuffled = [examples[k] for k in np.random.default_rng(seed).permutation(len(examples))]
    counts: defaultdict[int, count[int]] = defaultdict(count)
    rounds = [next(counts[example.label]) for example in shuffled]
    # Sorting is stable: within a round the shuffled order stays.
    return tuple(shuffled[k] for k in np.argsort(rounds, kind="stable")[:limit])
