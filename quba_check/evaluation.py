"""Measure a model on a suite: the Python API, which knows no pytest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from quba_check.comparison.images import CleanAnswers, PerImage
from quba_check.dimensions import registry
from quba_check.engine.answers import Answers, Images
from quba_check.engine.engine import Engine, Progress
from quba_check.engine.shards import Tempo
from quba_check.engine.store import Store, address_of, default_root
from quba_check.environment import environment
from quba_check.errors import OptionError, UnmeasurableError, did_you_mean, listed
from quba_check.grading import Population, grade
from quba_check.models.classifier import Classifier
from quba_check.models.preparation_file import read_preparation
from quba_check.models.specs import load_classifier
from quba_check.protocol.dimension import PUBLISHED_DIMENSIONS
from quba_check.protocol.facts import Facts, ModelFacts
from quba_check.protocol.grade import Grade
from quba_check.protocol.measurement import Measurement, Outcome, Unmeasurable
from quba_check.protocol.record import EnvironmentRow, ModelRow, SetRow, SuiteRow
from quba_check.protocol.settings import PROTOCOLS, Protocol, ProtocolName
from quba_check.protocol.view import CLEAN, CORRUPTIONS_SET, View
from quba_check.suites.digests import ContentDigests
from quba_check.suites.draw import Draw
from quba_check.suites.places import suite_at
from quba_check.suites.suite import Suite


class Evaluation:
    """A model on a suite under one protocol.

    Predictions are kept in the store; what is there is not predicted again.

    Args:
        model: a model spec (`demo`, a model file, `timm:NAME`, `open_clip:NAME/TAG`,
            `package.module:callable`, …) or a loaded classifier.
        suite: a data folder, `"demo"`, or an open suite; None takes `$QUBA_DATA`.
        protocol: `standard`, or `released` (what the paper's released code computes).
        arch: timm architecture of a checkpoint file, before what that says.
        preparation: file that says how images are prepared, before what the model says.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: auto (fp32), fp32, bf16, fp16.
        seed: for random starts, generated corruptions, and which images a limit leaves.
        limit: images of a set to look at at most, stratified by class; of a suite opened here.
        store: folder for predictions; None takes `$QUBA_STORE`, else the user's cache.
        trust_pickle: allow a checkpoint to run code when it is read.
        tempo: batch size and threads; no influence on results.
        progress: told of every shard that was predicted.

    Raises:
        UserError: model, suite or store cannot be used; the message says where and what to do.

    Example:
        >>> Evaluation("demo", "demo").measure("accuracy").value > 0.8  # doctest: +SKIP
        True
    """

    def __init__(
        self,
        model: str | Classifier,
        suite: str | Path | Suite | None = None,
        *,
        protocol: ProtocolName = "standard",
        arch: str | None = None,
        preparation: str | Path | None = None,
        device: str = "auto",
        precision: str = "auto",
        seed: int = 0,
        limit: int | None = None,
        store: str | Path | None = None,
        trust_pickle: bool = False,
        tempo: Tempo | None = None,
        progress: Progress | None = None,
    ) -> None:
        if protocol not in PROTOCOLS:
            raise OptionError(
                f"protocol: unknown '{protocol}'. Allowed: {listed(PROTOCOLS)}."
                f"{did_you_mean(protocol, PROTOCOLS)}"
            )
        registry.load_entry_points()
        self.protocol = Protocol.named(protocol)
        self.seed = seed
        self.store = Store(Path(store) if store is not None else default_root())
        self.suite = (
            suite if isinstance(suite, Suite) else suite_at(suite, self.store.root, Draw(limit, seed))
        )
        self.classifier = (
            model
            if isinstance(model, Classifier)
            else load_classifier(
                model,
                classes=self.suite.classes,
                image_size=self.suite.image_size,
                arch=arch,
                preparation=None
                if preparation is None
                else read_preparation(Path(preparation), str(preparation)),
                device=device,
                precision=precision,
                trust_pickle=trust_pickle,
                prompts=self.suite.prompts,
                cache=self.store.root,
            )
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
            tempo=tempo,
            progress=progress,
        )
        self.engine.tables.repaired += self.suite.notes
        self._outcomes: dict[str, Outcome] = {}
        self._planned: tuple[View, ...] = ()

    def plan(self, names: Iterable[str]) -> None:
        """Say which dimensions will be measured, so that what they share is done in one pass."""
        views = (view for name in names for view in registry[name].views(self.facts.suite))
        self._planned = tuple(dict.fromkeys(view for view in views if self._can_be_predicted(view)))

    def check(self) -> None:
        """List the images and show the model the first ones: mistakes are found before the long work starts.

        The first shard of the plan is predicted and kept: nothing is done twice for it.

        Raises:
            UserError: a set is not laid out as it should be, or the model's answers cannot be used.
        """
        self.suite.counts(self._planned)
        self.engine.settle(self._planned, show=True)

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
    ) -> Grade:
        """Measure all nine dimensions; say their QUBA score and where it stands in a population."""
        outcomes = {name: self.outcome(name) for name in PUBLISHED_DIMENSIONS}
        measured = {name: out for name, out in outcomes.items() if isinstance(out, Measurement)}
        return grade(
            {name: out.value for name, out in measured.items()},
            weights=weights,
            population=population,
            protocol=self.protocol.name,
            allow_missing=allow_missing,
            suite=self.suite.name,
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
            >>> quba = Evaluation("demo", "demo")  # doctest: +SKIP
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
        addresses = self.engine.addresses
        return {str(view): addresses.content(view, shards) for view in self._image_views(names)}

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
        names = [
            example.name if example.member is None else f"{example.name}[{example.member}]"
            for example in examples
        ]
        return CleanAnswers(names, table.label, table.top1, self.suite.class_names)

    def model_row(self) -> ModelRow:
        """What a record says of the model."""
        return ModelRow(
            spec=self.classifier.spec,
            name=self.classifier.name,
            fingerprint=self.classifier.fingerprint,
            parameters=self.classifier.parameters,
            preparation=self.classifier.preparation.as_dict(),
            classes=self.classifier.classes,
            outputs=self.classifier.outputs,
        )

    def suite_row(self, contents: Mapping[str, str], sets: Mapping[str, SetRow]) -> SuiteRow:
        """What a record says of the suite, given the contents and sizes of what was used of it."""
        return SuiteRow(
            name=self.suite.name,
            root=str(self.suite.root),
            fingerprint=address_of(dict(contents)),
            sample="one" if self.facts.suite.samples_corruptions else "all",
            contents=dict(contents),
            classes=address_of(list(self.suite.classes)),
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

    def _can_be_predicted(self, view: View) -> bool:
        if view.attack is not None and self.classifier.no_gradient:
            return False
        return self.suite.missing(view) is None

    def _generated(self, set_name: str) -> str | None:
        """How the images of a set were made, if they were: `generated@224+jpeg85`."""
        if set_name != CORRUPTIONS_SET or not self.facts.suite.generates_corruptions:
            return None
        _, height, width = self.classifier.preparation.input_size
        size = str(height) if height == width else f"{height}x{width}"
        encoding = "" if self.suite.encoding is None else f"+{self.suite.encoding}"
        return f"generated@{size}{encoding}"

    def _measured(self, name: str) -> Outcome:
        dimension = registry[name]
        views = dimension.views(self.facts.suite)
        for view in views:
            missing = self.suite.missing(view)
            if missing is not None:
                raise UnmeasurableError(missing, missing_data=True)
        predictions = self.engine.predictions(views, self._planned) if views else {}
        self.engine.check_unchanged()
        return dimension.measure(predictions, self.facts)
