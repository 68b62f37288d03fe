"""Measure a model on a suite: the Python API, which knows no pytest."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from quba_check.core.dimension import PUBLISHED_DIMENSIONS, Dimension
from quba_check.core.facts import Facts, ModelFacts
from quba_check.core.grade import Grade
from quba_check.core.measurement import Measurement, Outcome, Unmeasurable
from quba_check.core.protocols import PROTOCOLS, Protocol, ProtocolName
from quba_check.core.view import CLEAN, CORRUPTIONS_SET, View
from quba_check.demo import DEMO_MODELS
from quba_check.dimensions import registry
from quba_check.engine.ad_hoc import Answers, Images
from quba_check.engine.engine import Engine
from quba_check.engine.progress import Finished, Progress
from quba_check.engine.shard_predictor import BatchSettings
from quba_check.errors import HeadError, OptionError, QubaError, UnmeasurableError, did_you_mean, listed
from quba_check.grading import Population, grade, unreachable_grade
from quba_check.models.classifier import Classifier
from quba_check.models.loading import load_classifier
from quba_check.models.preprocessing.file import read_preprocessing
from quba_check.models.request import LoadRequest
from quba_check.records.environment import environment
from quba_check.records.per_image import CleanAnswers, PerImage
from quba_check.records.record import EnvironmentRow, ModelRow, SetRow, SuiteRow
from quba_check.storage.file_digests import ContentDigests
from quba_check.storage.store import Store, content_hash, default_root
from quba_check.suites.opening import DEMO_SUITE, find_suite
from quba_check.suites.sampling import SubsetSampler
from quba_check.suites.suite import Suite


def obstacle(dimension: Dimension, suite: Suite, no_gradient: str = "") -> Unmeasurable | None:
    """Return the obstacle to measuring a dimension on a suite, None if there is none.

    No image is read to find it.

    Args:
        dimension: the dimension.
        suite: the suite; labels of its sets are listed if the dimension depends on them.
        no_gradient: why the model gives no gradients; empty if it may.

    Raises:
        SuiteError: a set that is listed is not laid out as its reader expects.
    """
    views = dimension.views(suite.facts)
    for view in views:
        if (missing := suite.missing(view)) is not None:
            return Unmeasurable(dimension.name, missing, missing_data=True)
    if no_gradient and any(view.attack is not None for view in views):
        return Unmeasurable(dimension.name, no_gradient)
    try:
        dimension.check_suite(suite.facts, suite.labels)
    except UnmeasurableError as why:
        return Unmeasurable(dimension.name, why.reason, why.missing_data)
    return None


class Evaluation:
    """A model on a suite under one protocol.

    Predictions are kept in the store; what is there is not predicted again.

    Args:
        model: a model spec (`demo`, a model file, `timm:NAME`, `open_clip:NAME/TAG`,
            `package.module:callable`, …) or a loaded classifier.
        suite: a data folder, `"demo"`, or an open suite; None takes the demo's own images for a demo model,
            else `$QUBA_DATA`.
        protocol: `standard`, or `released` (what the paper's released code computes).
        arch: timm architecture of a checkpoint file, before what that says.
        preprocessing: file that says how images are prepared, before what the model says.
        device: auto, cpu, cuda, cuda:N, mps.
        precision: auto (fp32), fp32, bf16, fp16.
        seed: for random starts, generated corruptions, and which images a limit leaves.
        limit: images of a set to look at at most, stratified by class; of a suite opened here.
        store: folder for predictions; None takes `$QUBA_STORE`, else the user's cache.
        trust_pickle: allow a checkpoint to run code when it is read.
        batch_settings: batch size and threads; no influence on results.
        progress: called after every pass of a batch with the view, the images finished, the passes and the
            seconds since the previous call, and a function that returns the passes still to come.
        finished: called with each set that is complete and its number of images.

    Raises:
        UserError: model, suite or store cannot be used; the message says where and what to do.

    Example:
        >>> Evaluation("demo").measure("accuracy")  # doctest: +SKIP
        Measurement(accuracy 0.975 fraction, n=400, 0.955..0.986)
    """

    def __init__(
        self,
        model: str | Classifier,
        suite: str | Path | Suite | None = None,
        *,
        protocol: ProtocolName = "standard",
        arch: str | None = None,
        preprocessing: str | Path | None = None,
        device: str = "auto",
        precision: str = "auto",
        seed: int = 0,
        limit: int | None = None,
        store: str | Path | None = None,
        trust_pickle: bool = False,
        batch_settings: BatchSettings | None = None,
        progress: Progress | None = None,
        finished: Finished | None = None,
    ) -> None:
        if protocol not in PROTOCOLS:
            raise OptionError(
                f"protocol: unknown '{protocol}'. Allowed: {listed(PROTOCOLS)}."
                f"{did_you_mean(protocol, PROTOCOLS)}"
            )
        if not isinstance(model, str | Classifier):
            raise OptionError(
                f"model: got a value of type {type(model).__name__}. Allowed: a model spec, such as "
                "'model.pt' or 'package.module:callable', or a loaded Classifier."
            )
        for name, number, least in (("seed", seed, 0), ("limit", limit, 1)):
            if number is None and name == "limit":
                continue
            if not isinstance(number, int) or isinstance(number, bool) or number < least:
                raise OptionError(f"{name}: got {number!r}. Allowed: a whole number from {least}.")
        registry.load_entry_points()
        self.protocol = Protocol.named(protocol)
        self.seed = seed
        self.store = Store(Path(store) if store is not None else default_root())
        spec = model.spec if isinstance(model, Classifier) else model
        if suite is None and spec in DEMO_MODELS:
            suite = DEMO_SUITE
        self.suite = (
            suite
            if isinstance(suite, Suite)
            else find_suite(suite, self.store.root, SubsetSampler(limit, seed))
        )
        if isinstance(model, Classifier):
            self.classifier = model
        else:
            request = LoadRequest(
                classes=self.suite.classes,
                head=self.suite.head,
                image_size=self.suite.image_size,
                prompts=self.suite.prompts,
                arch=arch,
                preprocessing=None
                if preprocessing is None
                else read_preprocessing(Path(preprocessing), str(preprocessing)),
                device=device,
                precision=precision,
                trust_pickle=trust_pickle,
                cache=self.store.root,
            )
            self.classifier = load_classifier(model, request)
        if self.classifier.classes != len(self.suite.classes):
            raise HeadError(
                f"{self.classifier.spec}: the classifier was loaded for {self.classifier.classes} classes, "
                f"the suite has {len(self.suite.classes)}. Load it with the suite's classes and head.",
                theirs=self.classifier.classes,
                classes=len(self.suite.classes),
            )
        self.facts = Facts(
            self.suite.facts,
            ModelFacts(self.classifier.parameters, self.classifier.trainable),
            self.protocol,
        )
        self.engine = Engine(
            self.classifier,
            self.suite,
            self.store,
            ContentDigests(self.store.root / "digests.sqlite"),
            self.protocol,
            seed=seed,
            batch_settings=batch_settings,
            progress=progress,
            finished=finished,
        )
        self.engine.tables.repair_notes += self.suite.notes
        self._outcomes: dict[str, Outcome] = {}
        self._obstacles: dict[str, Unmeasurable | None] = {}
        self._planned: tuple[View, ...] = ()

    def __repr__(self) -> str:
        return f"Evaluation({self.classifier.name} on {self.suite.name}, protocol {self.protocol.name})"

    def plan(self, names: Iterable[str]) -> None:
        """Plan the dimensions to be measured, so that their shared views take one pass.

        Dimensions with an obstacle are skipped.
        """
        names = list(names)
        hopeless = self.obstacles(names)
        views = (view for name in names if name not in hopeless for view in self._views(name))
        self._planned = tuple(dict.fromkeys(views))

    def check(self) -> None:
        """List the images and show the model the first ones: mistakes are found before the long work starts.

        The first shard of the plan is predicted and kept: nothing is done twice for it.

        Raises:
            UserError: a set is not laid out as it should be, or the model's answers cannot be used.
        """
        self.suite.counts(self._planned)
        self.engine.determine_outputs(self._planned, always=True)

    def outcome(self, name: str) -> Outcome:
        """The measurement of a dimension, or why there is none. Computed once.

        Raises:
            UserError: unknown dimension, or an image or the store cannot be used.
            InvariantError: a guard found that the number would have been wrong.
        """
        if name not in self._outcomes:
            try:
                self._outcomes[name] = self._measured(name)
            except UnmeasurableError as why:
                self._outcomes[name] = Unmeasurable(name, why.reason, why.missing_data)
        return self._outcomes[name]

    def obstacle(self, name: str) -> Unmeasurable | None:
        """Return the obstacle to measuring a dimension here, None if there is none; see `obstacle`.

        Raises:
            UserError: unknown dimension, or a set is not laid out as it should be.
        """
        if name not in self._obstacles:
            self._obstacles[name] = obstacle(registry[name], self.suite, self.classifier.no_gradient)
        return self._obstacles[name]

    def obstacles(self, names: Iterable[str]) -> dict[str, Unmeasurable]:
        """Return the obstacles of dimensions by name; dimensions without one are left out.

        An error, such as a set that is not laid out as it should be, is left for the measurement to report.
        """
        known: dict[str, Unmeasurable] = {}
        for name in names:
            with contextlib.suppress(QubaError):
                if (reason := self.obstacle(name)) is not None:
                    known[name] = reason
        return known

    def is_measured(self, name: str) -> bool:
        """Whether the outcome of a dimension is known already."""
        return name in self._outcomes

    def measure(self, name: str) -> Measurement:
        """The measurement of a dimension.

        Raises:
            UnmeasurableError: it has no value here; the reason says why.
            UserError, InvariantError: see `outcome`.
        """
        outcome = self.outcome(name)
        if isinstance(outcome, Unmeasurable):
            raise UnmeasurableError(outcome.reason, missing_data=outcome.missing_data)
        return outcome

    def grade(
        self,
        *,
        weights: Mapping[str, float] | None = None,
        population: str | Path | Population = "published",
        allow_missing: Sequence[str] = (),
        allow_other_suite: bool = False,
        allow_masked: bool = False,
    ) -> Grade:
        """Measure all nine dimensions; return their QUBA score and its place in a population.

        Nothing is measured if one of them cannot have a value on this suite and may not be missing.

        Args:
            weights: see `quba_score`.
            population: see `quba_score`.
            allow_missing: dimensions that the grade may do without.
            allow_other_suite: give percentile and letter although the population was measured on another
                suite.
            allow_masked: let a masked value of adversarial_robustness count.

        Returns:
            The grade. `not_graded` says why there is no letter: a dimension without a value, a masked value,
            or a population of another suite.
        """
        reasons = {name: known.reason for name, known in self.obstacles(PUBLISHED_DIMENSIONS).items()}
        if hopeless := unreachable_grade(reasons, population=population, allow_missing=allow_missing):
            return hopeless
        outcomes = {name: self.outcome(name) for name in PUBLISHED_DIMENSIONS}
        measured = {name: out for name, out in outcomes.items() if isinstance(out, Measurement)}
        return grade(
            {name: out.value for name, out in measured.items()},
            weights=weights,
            population=population,
            protocol=self.protocol.name,
            allow_missing=allow_missing,
            suite=self.suite.name,
            classes=self.facts.suite.class_count,
            allow_other_suite=allow_other_suite,
            allow_masked=allow_masked,
            measured=measured,
            generated_corruptions=self.facts.suite.generates_corruptions,
        )

    def answers(self, images: Images, *, crop: bool = True) -> Answers:
        """What the model says of images of your own, for tests of its behaviour.

        They go the way of the suite's images: evaluation transform, normalisation, softmax. Nothing is kept.

        Args:
            images: a list of PIL images or uint8 arrays (H, W, 3) of any size; or a float tensor (N, 3, H, W)
                of prepared images with values in [0, 1].
            crop: run the whole transform; False for images at their final size, which are resized at most.

        Returns:
            `top1` (N,), `confidence` (N,) and `probabilities` (N, C), in the order of `suite.classes`.

        Raises:
            UserError: what was given are no such images, or the model's answers cannot be used.
            InvariantError: a forward pass changed the model.

        Example:
            >>> quba = Evaluation("demo")  # doctest: +SKIP
            >>> quba.answers([Image.open("zebra.jpg")]).confidence  # doctest: +SKIP
            array([0.98], dtype=float32)
        """
        return self.engine.answers(images, crop=crop)

    def contents(self, names: Iterable[str], shards: range | None = None) -> dict[str, str]:
        """For each view of images behind some dimensions: the address of its images and labels.

        Args:
            names: the dimensions.
            shards: those that were looked at of each view; by default all.
        """
        cache_keys = self.engine.cache_keys
        return {str(view): cache_keys.content_key(view, shards) for view in self._image_views(names)}

    def sets(self, names: Iterable[str]) -> dict[str, SetRow]:
        """For each set behind some dimensions: images found and expected."""
        counts = self.suite.counts(self._image_views(names))
        return {
            name: SetRow(
                images=count.images,
                expected=count.expected,
                found=count.found,
                generated=self._generated(name),
            )
            for name, count in counts.items()
        }

    def per_image(self, measurement: Measurement) -> PerImage:
        """What each image adds to a measurement, with the answers on the clean set where it saw it."""
        views = {view.images for view in registry[measurement.dimension].views(self.facts.suite)}
        return PerImage.of(measurement, self._clean_answers if CLEAN.images in views else None)

    @cached_property
    def _clean_answers(self) -> CleanAnswers:
        table = self.engine.predictions([CLEAN], self._planned)[CLEAN]
        examples = sorted(self.suite.examples(CLEAN), key=lambda example: example.index)
        names = [example.full_name for example in examples]
        return CleanAnswers.of(table, names, self.suite.class_names)

    def model_row(self) -> ModelRow:
        """What a record says of the model."""
        return ModelRow(
            spec=self.classifier.spec,
            name=self.classifier.name,
            fingerprint=self.classifier.fingerprint,
            parameters=self.classifier.parameters,
            preparation=self.classifier.preprocessing.as_dict(),
            classes=self.classifier.classes,
            outputs=self.classifier.outputs,
        )

    def suite_row(self, contents: Mapping[str, str], sets: Mapping[str, SetRow]) -> SuiteRow:
        """What a record says of the suite, given the contents and sizes of what was used of it."""
        return SuiteRow(
            name=self.suite.name,
            root=str(self.suite.root),
            fingerprint=content_hash(dict(contents)),
            sample="one" if self.facts.suite.samples_corruptions else "all",
            contents=dict(contents),
            classes=content_hash(list(self.suite.classes)),
            sets=dict(sets),
        )

    @cached_property
    def environment(self) -> EnvironmentRow:
        """Where and when this is measured."""
        return environment(str(self.classifier.device), self.classifier.precision, self.seed)

    def _image_views(self, names: Iterable[str]) -> list[View]:
        """The views of images behind some dimensions, as far as they are there, in a fixed order."""
        views = {view.images for name in names for view in registry[name].views(self.facts.suite)}
        return sorted((view for view in views if self.suite.missing(view) is None), key=str)

    def _views(self, name: str) -> tuple[View, ...]:
        return registry[name].views(self.facts.suite)

    def _generated(self, set_name: str) -> str | None:
        """How the images of a set were made, if they were: `generated@224+jpeg85`."""
        if set_name != CORRUPTIONS_SET or not self.facts.suite.generates_corruptions:
            return None
        _, height, width = self.classifier.preprocessing.input_size
        size = str(height) if height == width else f"{height}x{width}"
        encoding = "" if self.suite.encoding is None else f"+{self.suite.encoding}"
        return f"generated@{size}{encoding}"

    def _measured(self, name: str) -> Outcome:
        if (known := self.obstacle(name)) is not None:
            return known
        views = self._views(name)
        predictions = self.engine.predictions(views, self._planned) if views else {}
        self.engine.check_unchanged()
        return registry[name].measure(predictions, self.facts)
