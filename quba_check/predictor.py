"""Predictions of a model on a suite, and of the models behind variants."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import cached_property, partial

from quba_check.core.facts import Facts
from quba_check.core.predictions import Predictions, Tables
from quba_check.core.protocols import Protocol
from quba_check.core.request import NO_REFERENCE, Request
from quba_check.core.serving import pipeline_of
from quba_check.core.view import CLEAN, REFERENCE, View
from quba_check.engine.ad_hoc import Answers, Images
from quba_check.engine.batching import BatchSettings
from quba_check.engine.engine import Engine
from quba_check.engine.work import PlannedView, Progress
from quba_check.errors import UnmeasurableError
from quba_check.executors.remote_worker import WorkerPool, WorkerSpec
from quba_check.models.classifier import Classifier
from quba_check.models.flops import count_flops
from quba_check.models.loading import with_pipeline
from quba_check.records.per_image import CleanAnswers
from quba_check.records.recorded_answers import RecordedAnswers
from quba_check.storage.locations import digests_file
from quba_check.storage.store import Store
from quba_check.suites.contents import Contents
from quba_check.suites.set_images import ViewSlices
from quba_check.suites.shared_images import check_sets_differ
from quba_check.suites.suite import Suite


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


class Predictor:
    """A classifier on a suite under one protocol, and the models behind variants.

    Predictions are stored and reused.

    Args:
        classifier: the model, loaded for the suite's classes.
        suite: the images.
        store: the store of predictions.
        protocol: settings of attacks, ties and cropping.
        run: how predictions are made and reported.

    Raises:
        OptionError: a worker is to predict, and the model exists in this process alone.
    """

    def __init__(
        self, classifier: Classifier, suite: Suite, store: Store, protocol: Protocol, run: RunSettings
    ) -> None:
        self.classifier = classifier
        self.suite = suite
        self.store = store
        self.protocol = protocol
        self.seed = suite.sampler.seed
        executor = None
        if run.workers is not None:
            executor = run.workers.executor(WorkerSpec.of(classifier, suite, protocol, run.batch_settings))
        contents = Contents(suite, store.root)
        self.engine = Engine(
            classifier, contents, store, protocol, run.batch_settings, run.progress, executor
        )
        self.reference: Predictor | RecordedAnswers | None = None
        self.preprocessing = classifier.preprocessing.as_dict()
        self._run = run
        self._served: dict[str, Predictor] = {}
        self._slices = ViewSlices(suite, contents.digests)
        self._requests: tuple[Request, ...] = ()

    def __repr__(self) -> str:
        words = f"{self.classifier.name} on {self.suite.name}, protocol {self.protocol.name}"
        return f"{type(self).__name__}({words})"

    @property
    def facts(self) -> Facts:
        """Facts for dimensions about suite, model and protocol."""
        model = self.classifier
        facts = replace(
            model.facts,
            outputs=model.outputs,
            temperature=model.preprocessing.temperature,
            surrogate="" if self.surrogate is None else self.surrogate.classifier.name,
            count_flops=partial(count_flops, model),
        )
        return Facts(replace(self.suite.facts, requests=self._requests), facts, self.protocol)

    def plan_views(self, views: Collection[View]) -> None:
        """Plan views for another evaluation, which asks for their predictions."""
        self.engine.run_views = tuple(dict.fromkeys([*self.engine.run_views, *views]))

    def predictions(self, views: Collection[View]) -> dict[View, Predictions]:
        """Return the predictions of views, those of variants by their models; stored or computed now.

        Raises:
            UserError: an image, a model or the store fails.
            UnmeasurableError: a view needs a reference, and there is none.
        """
        transferred = self.transferred_views(views)
        own = [view for view in views if not view.variant and view not in transferred]
        tables = self.engine.predictions(own, self.engine.run_views) if own else {}
        tables |= self._transferred(transferred) if transferred else {}
        self.engine.check_unchanged()
        for variant, own_views in views_by_variant(views).items():
            others = self._predictions_of(variant, own_views, tables)
            tables |= {replace(view, variant=variant): table for view, table in others.items()}
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
        return Predictor(model, self.suite, self.store, self.protocol, self._run)

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
        self.suite.counts(self.engine.run_views)
        check_sets_differ(self.suite, self.engine.run_views, self._requests, digests_file(self.store.root))
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

    @cached_property
    def clean_answers(self) -> CleanAnswers:
        """The model's answers on the clean set, by image."""
        table = self.engine.predictions([CLEAN], self.engine.run_views)[CLEAN]
        examples = sorted(self.suite.examples(CLEAN), key=lambda example: example.index)
        names = [example.full_name for example in examples]
        slices = self._slices.of(CLEAN) if self.facts.suite.slices else {}
        return CleanAnswers.of(table, names, self.suite.class_names, slices)

    def pop_notes(self) -> list[str]:
        """Return and forget the notes for the record since the last call, also of `others`."""
        return [note for predictor in (self, *self.others) for note in predictor.engine.pop_notes()]

    @property
    def others(self) -> tuple[Predictor, ...]:
        """The predictors of variants: of the reference, and of the model behind serving pipelines."""
        references = [self.reference] if isinstance(self.reference, Predictor) else []
        transfer = [self.transfer] if "transfer" in vars(self) else []
        return (*references, *self._served.values(), *transfer)

    def _predictions_of(self, variant: str, views: Collection[View], own: Tables) -> Tables:
        """Return the predictions of a variant's model; recorded ones next to this model's own."""
        model = self._variant(variant)
        if isinstance(model, RecordedAnswers):
            content = self.engine.contents.key(CLEAN)
            return model.predictions(own, content, self.clean_answers.outputs)
        if variant == REFERENCE:
            return model.predictions(views)
        model.classifier.follow(self.classifier)
        tables = model.predictions(views)
        model.engine.tables.forget()  # ImageNet's probabilities take 200 MB
        return {
            view: table if view.columns == "probabilities" else replace(table, probabilities=None)
            for view, table in tables.items()
        }

    def _variant(self, name: str) -> Predictor | RecordedAnswers:
        """Return the model that predicts the views of a variant.

        Raises:
            UnmeasurableError: a reference is needed, and there is none.
            ModelError: a serving pipeline cannot be used with the model.
        """
        if name == REFERENCE:
            if self.reference is None:
                raise UnmeasurableError(NO_REFERENCE)
            return self.reference
        if name not in self._served:
            pipeline = pipeline_of(name, self.suite.facts.serving)
            served = with_pipeline(self.classifier, pipeline, imports=not self._run.plan)
            self._served[name] = Predictor(served, self.suite, self.store, self.protocol, self._run)
        return self._served[name]


def views_by_variant(views: Iterable[View]) -> dict[str, list[View]]:
    """Return the views of each variant as its model predicts them."""
    variants: dict[str, list[View]] = defaultdict(list)
    for view in views:
        if view.variant:
            variants[view.variant].append(replace(view, variant=""))
    return variants
