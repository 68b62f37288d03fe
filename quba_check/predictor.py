"""Predictions of a model on a suite, and of the models behind variants."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial

from quba_check.core.facts import ModelFacts
from quba_check.core.predictions import Predictions, Tables
from quba_check.core.protocols import Protocol
from quba_check.core.serving import pipeline_of
from quba_check.core.view import CLEAN, View
from quba_check.core.work import PlannedView, Progress
from quba_check.engine.ad_hoc import Answers, Images
from quba_check.engine.batching import BatchSettings
from quba_check.engine.engine import Engine
from quba_check.errors import UnmeasurableError
from quba_check.executors.remote_worker import WorkerPool, WorkerSpec
from quba_check.measured_model import MeasuredModel
from quba_check.models.classifier import Classifier
from quba_check.models.flops import count_flops
from quba_check.models.loading import with_pipeline
from quba_check.records.predictions import PredictionsRow, merged, predictions_row
from quba_check.records.record import ComputeRow, ModelRow, PreprocessedImages
from quba_check.storage.store import Store
from quba_check.suites.contents import Contents


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Batches, workers and progress of predictions; they change at most the last bits of scores.

    Attributes:
        batch_settings: batch size, threads, and room for prepared images.
        progress: called after every pass of a batch, see `engine.work.Progress`.
        plan: nothing is predicted, and no function that a manifest names is imported.
        workers: processes that predict; None for this one.
    """

    batch_settings: BatchSettings = BatchSettings()  # noqa: RUF009  frozen
    progress: Progress | None = None
    workers: WorkerPool | None = None
    plan: bool = False


class Predictor(MeasuredModel):
    """A classifier on a suite under one protocol, and the models behind variants.

    Predictions are stored and reused.

    Args:
        classifier: the model, loaded for the suite's classes.
        contents: the images of a suite.
        store: the store of predictions.
        protocol: settings of attacks, ties and cropping.
        run: how predictions are made and reported.

    Raises:
        OptionError: a worker is to predict, and the model exists in this process alone.
    """

    def __init__(
        self, classifier: Classifier, contents: Contents, store: Store, protocol: Protocol, run: RunSettings
    ) -> None:
        super().__init__(contents, protocol)
        suite = self.suite
        self.classifier = classifier
        self.store = store
        self.seed = suite.sampler.seed
        executor = None
        if run.workers is not None:
            executor = run.workers.executor(WorkerSpec.of(classifier, suite, protocol, run.batch_settings))
        self.engine = Engine(
            classifier, contents, store, protocol, run.batch_settings, run.progress, executor
        )
        self.preprocessing = classifier.preprocessing.as_dict()
        self._run = run
        self._served: dict[str, Predictor] = {}

    def __repr__(self) -> str:
        words = f"{self.classifier.name} on {self.suite.name}, protocol {self.protocol.name}"
        return f"{type(self).__name__}({words})"

    @property
    def model_facts(self) -> ModelFacts:
        """Facts about the model for dimensions."""
        model = self.classifier
        return replace(
            model.facts,
            outputs=model.outputs,
            temperature=model.preprocessing.temperature,
            surrogate="" if self.surrogate is None else self.surrogate.classifier.name,
            count_flops=partial(count_flops, model),
        )

    @property
    def row(self) -> ModelRow:
        """The model in records."""
        model = self.classifier
        return ModelRow(
            spec=model.spec,
            name=model.name,
            fingerprint=model.fingerprint,
            generation=self.engine.cache_keys.generation,
            parameters=model.facts.parameters,
            preprocessing=self.preprocessing,
            classes=model.head.classes,
            outputs=model.outputs,
            files=dict(model.files),
        )

    @property
    def device(self) -> str:
        """The device of the model."""
        return str(self.classifier.device)

    @property
    def libraries(self) -> dict[str, str]:
        """The libraries that computed the answers, also of `others`, with their versions."""
        versions: dict[str, str] = {}
        for predictor in (*self.others, self):
            versions |= predictor.engine.cache_keys.libraries
        return versions

    @property
    def compute_row(self) -> ComputeRow:
        """The settings of the passes."""
        return ComputeRow(**asdict(self.engine.compute) | {"batch_size": self.engine.batch_size})

    @property
    def origin_text(self) -> str:
        """The preprocessing of images and its origin, in words."""
        preprocessing = self.classifier.preprocessing
        way_out = "; to change it: --quba-preprocessing=FILE.yaml" if preprocessing.is_assumed else ""
        return f"{self.preprocessing_text} (from {preprocessing.source}{way_out})"

    @property
    def preprocessing_text(self) -> str:
        """The preprocessing of images, in words."""
        return self.classifier.preprocessing.describe()

    @property
    def may_run_openvino(self) -> bool:
        """True for a torch module in float32 on a CPU, without a requested runtime."""
        return self.classifier.may_run_openvino

    @property
    def model_notes(self) -> Sequence[str]:
        """Notes for the record on the model."""
        return self.classifier.notes

    def preprocessed(self, view: View) -> PreprocessedImages:
        """Return how the images of a view are preprocessed."""
        keys = self.engine.cache_keys
        generated = None
        if self.suite.is_generated(view):
            _, height, width = self.classifier.preprocessing.input_size
            size = str(height) if height == width else f"{height}x{width}"
            encoding = "" if self.suite.encoding is None else f"+{self.suite.encoding}"
            generated = f"generated@{size}{encoding}"
        is_fast = keys.is_prepared_fast(view)
        return PreprocessedImages(generated, "fast" if is_fast else "exact", keys.is_cropped(view))

    def answer_rows(self, sent: Collection[str]) -> dict[str, PredictionsRow]:
        """Return the origins of the answers read so far; see `MeasuredModel`."""
        rows: dict[str, PredictionsRow] = {}
        for engine in (predictor.engine for predictor in (self, *self.others)):
            for name, origins in engine.tables.origins.items():
                if name not in sent:
                    rows[name] = merged(predictions_row(*origin, engine.store.run) for origin in origins)
            for name, (differing, images) in engine.compared.items():
                if name not in sent:
                    rows[name] = PredictionsRow(compared=images, differing=differing)
        return rows

    @property
    def planned_views(self) -> tuple[View, ...]:
        """The planned views without a variant."""
        return self.engine.run_views

    def plan_own(self, views: Collection[View]) -> None:
        """Plan views without a variant, in place of those planned before."""
        self.engine.cache_keys.keeps_logits = any(request.needs_logits for request in self._requests)
        transferred = self.transferred_views(views)
        if transferred:
            self.transfer.plan_views(transferred)
        self.engine.run_views = tuple(dict.fromkeys(view for view in views if view not in transferred))

    def plan_views(self, views: Collection[View]) -> None:
        """Plan views for another evaluation, which asks for their predictions."""
        self.engine.run_views = tuple(dict.fromkeys([*self.engine.run_views, *views]))

    def own_predictions(self, views: Collection[View]) -> dict[View, Predictions]:
        """Return the predictions of views without a variant, stored or computed now.

        Raises:
            UserError: an image, a model or the store fails.
        """
        transferred = self.transferred_views(views)
        own = [view for view in views if view not in transferred]
        tables = self.engine.predictions(own, self.engine.run_views) if own else {}
        tables |= self._transferred(transferred) if transferred else {}
        self.engine.check_unchanged()
        return tables

    def transferred_views(self, views: Collection[View]) -> list[View]:
        """Return the views that are attacked on a surrogate."""
        attacked = [view for view in views if view.attack is not None and not view.variant]
        return attacked if self.surrogate is not None else []

    @property
    def surrogate(self) -> Predictor | None:
        """The reference, if attacks are computed on it; else None."""
        is_used = bool(self.classifier.no_gradient) and not self.attack_obstacle
        return self.reference if is_used and isinstance(self.reference, Predictor) else None

    @property
    def attack_obstacle(self) -> str:
        """The reason against attacks; empty if the model or its reference gives gradients."""
        reason = self.classifier.no_gradient
        reference = self.reference
        if not reason or self.protocol.attack_space != "pixel" or self._run.workers is not None:
            return reason
        if reference is None:
            return f"{reason}; its network in torch, as --quba-reference, can be attacked in its place"
        if not isinstance(reference, Predictor) or reference.classifier.no_gradient:
            return reason
        other = reference.classifier.preprocessing
        if not self.classifier.preprocessing.has_pixels_of(other):
            return f"{reason}, and the reference prepares other pixels ({other.describe()})"
        return ""

    @cached_property
    def transfer(self) -> Predictor:
        """The predictor of images that are attacked on the surrogate.

        Raises:
            UnmeasurableError: there is none.
        """
        if self.surrogate is None:
            raise UnmeasurableError(self.attack_obstacle)
        model = self.classifier.with_surrogate(self.surrogate.classifier)
        return Predictor(model, self.contents, self.store, self.protocol, self._run)

    def _transferred(self, views: Collection[View]) -> dict[View, Predictions]:
        """Return the predictions for images that are attacked on the surrogate."""
        transfer = self.transfer
        for predictor in filter(None, (self, self.surrogate)):
            predictor.engine.determine_outputs([CLEAN])
        transfer.classifier.follow(self.classifier)
        return transfer.predictions(views)

    def planned_work(self) -> tuple[PlannedView, ...]:
        """Return the work on the planned dimensions; files are listed, and nothing is predicted.

        Raises:
            UserError: the files of a set have the wrong layout.

        Examples:
            >>> quba = Evaluation("demo")  # doctest: +SKIP
            >>> quba.plan(["accuracy"])  # doctest: +SKIP
            >>> [(str(work.view), work.forward) for work in quba.planned_work()]  # doctest: +SKIP
            [('clean', 400)]
        """
        of_others = (work for other in self.others for work in other.planned_work())
        return (*self.engine.work(self.engine.run_views), *of_others)

    def check(self) -> None:
        """List all images and predict the first ones, before the long work starts.

        The first shard of the plan is predicted and stored, so that no work is done twice.

        Raises:
            UserError: the files of a set have the wrong layout, sets share images that must not, or the
                model's outputs cannot be used.
        """
        super().check()
        self.engine.determine_outputs(self.engine.run_views, needs_shard=True)

    def answers(self, images: Images, *, crop: bool = True) -> Answers:
        """Predict custom images, for tests of the model's behaviour.

        They are processed like the suite's images: evaluation transform, normalisation, softmax. They are
        resized by the faster code if the clean set has JPEG files, so that answers equal the stored
        predictions. Nothing is stored.

        Args:
            images: a list of PIL images or uint8 arrays (H, W, 3) of any size; or a float tensor (N, 3, H, W)
                of prepared images with values in [0, 1].
            crop: apply the whole transform; False for images of the final size, which are resized at most.

        Returns:
            `predicted` (N,), `confidence` (N,) and `probabilities` (N, C), in the order of `suite.classes`.

        Raises:
            UserError: the input is not a list of images or a float tensor, or the outputs cannot be used.
            InvariantError: a forward pass changed the model.

        Examples:
            >>> quba = Evaluation("demo")  # doctest: +SKIP
            >>> quba.answers([Image.open("zebra.jpg")]).confidence  # doctest: +SKIP
            array([0.98], dtype=float32)
        """
        return self.engine.answers(images, crop=crop)

    def pop_notes(self) -> list[str]:
        """Return and forget the notes for the record since the last call, also of `others`."""
        own = super().pop_notes()
        return own + [note for predictor in (self, *self.others) for note in predictor.engine.pop_notes()]

    def stop(self) -> None:
        """Drop the shards that are predicted ahead of requests, also of `others`."""
        for predictor in (self, *self.others):
            predictor.engine.stop()

    @property
    def others(self) -> tuple[Predictor, ...]:
        """The predictors of variants: of the reference, and of the model behind serving pipelines."""
        references = [self.reference] if isinstance(self.reference, Predictor) else []
        transfer = [self.transfer] if "transfer" in vars(self) else []
        return (*references, *self._served.values(), *transfer)

    def served(self, name: str) -> Predictor:
        """Return the predictor of the model behind a serving pipeline.

        Raises:
            ModelError: the pipeline cannot be used with the model.
        """
        if name not in self._served:
            pipeline = pipeline_of(name, self.suite.facts.serving)
            served = with_pipeline(self.classifier, pipeline, imports=not self._run.plan)
            self._served[name] = Predictor(served, self.contents, self.store, self.protocol, self._run)
        return self._served[name]

    def served_predictions(self, name: str, views: Collection[View]) -> Tables:
        """Return the predictions behind a serving pipeline, with scores only where they were asked for."""
        model = self.served(name)
        model.classifier.follow(self.classifier)
        tables = model.predictions(views)
        model.engine.tables.forget()  # ImageNet's probabilities take 200 MB
        return {
            view: table if view.columns == "probabilities" else replace(table, probabilities=None)
            for view, table in tables.items()
        }

    def agreement_with_itself(self) -> list[str]:
        """Return a note on how well the model agrees with itself."""
        return [self.engine.noise_floor()]
