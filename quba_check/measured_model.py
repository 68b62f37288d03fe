"""A model on a suite, measured by its predictions: planned, measured and graded."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from quba_check.core.dimension import PUBLISHED_DIMENSIONS, Dimension
from quba_check.core.facts import Facts, ModelFacts
from quba_check.core.grade import Grade, GradeRules
from quba_check.core.measurement import Measurement, Outcome, Unmeasurable
from quba_check.core.predictions import Predictions, Tables, outputs_digest
from quba_check.core.protocols import Protocol
from quba_check.core.request import NO_REFERENCE, Request, target_name
from quba_check.core.view import CLEAN, REFERENCE, View
from quba_check.dimensions import measure_dimension, measure_slices, registry, request_views
from quba_check.errors import QubaError, ThresholdError, UnmeasurableError
from quba_check.grading import GradedRun, Population, grade, unreachable_grade
from quba_check.records.per_image import CleanAnswers
from quba_check.records.predictions import PredictionsRow
from quba_check.records.record import ComputeRow, ModelRow, PreprocessedImages
from quba_check.records.recorded_answers import RecordedAnswers
from quba_check.suites.contents import Contents
from quba_check.suites.set_images import ViewSlices, check_groups_agree
from quba_check.suites.shared_images import check_sets_differ
from quba_check.suites.suite import Suite

if TYPE_CHECKING:
    from quba_check.core.work import PlannedView


class MeasuredModel(ABC):
    """A model on a suite under one protocol, whatever its predictions come from.

    Args:
        contents: the images of a suite.
        protocol: settings of attacks, ties and cropping.

    Attributes:
        suite: the suite.
        reference: the model that `parity` compares with; None without one. Set it before `plan`.
        notes: notes for the record that were not popped yet.
    """

    def __init__(self, contents: Contents, protocol: Protocol) -> None:
        self.suite = contents.suite
        self.protocol = protocol
        self.contents = contents
        self.reference: MeasuredModel | RecordedAnswers | None = None
        self.notes: list[str] = []
        self._slices = ViewSlices(contents.suite, contents.digests)
        self._requests: tuple[Request, ...] = ()
        self._missing: dict[Request, Unmeasurable] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._unmeasurable: dict[str, Unmeasurable | None] = {}

    @property
    @abstractmethod
    def model_facts(self) -> ModelFacts:
        """Facts about the model for dimensions."""

    @property
    @abstractmethod
    def row(self) -> ModelRow:
        """The model in records."""

    @property
    @abstractmethod
    def device(self) -> str:
        """The device that gave the answers."""

    @property
    @abstractmethod
    def libraries(self) -> dict[str, str]:
        """The libraries that computed the answers, with their versions."""

    @property
    @abstractmethod
    def compute_row(self) -> ComputeRow | None:
        """The settings of the passes; None if unknown."""

    @property
    @abstractmethod
    def origin_text(self) -> str:
        """The preprocessing of images and its origin, in words."""

    @property
    def preprocessing_text(self) -> str:
        """The preprocessing of images, in words."""
        return ""

    @property
    def may_run_openvino(self) -> bool:
        """True for a torch module in float32 on a CPU, without a requested runtime."""
        return False

    @property
    @abstractmethod
    def model_notes(self) -> Sequence[str]:
        """Notes for the record on the model."""

    @abstractmethod
    def preprocessed(self, view: View) -> PreprocessedImages:
        """Return how the images of a view were preprocessed."""

    @abstractmethod
    def answer_rows(self, sent: Collection[str]) -> dict[str, PredictionsRow]:
        """Return the origins of the answers read so far, by name of the answers.

        Answers of the reference and of models behind pipelines count, too.

        Args:
            sent: names that are left out.
        """

    @property
    @abstractmethod
    def attack_obstacle(self) -> str:
        """The reason against attacks; empty if they can be computed."""

    @property
    @abstractmethod
    def planned_views(self) -> tuple[View, ...]:
        """The planned views without a variant."""

    @abstractmethod
    def plan_own(self, views: Collection[View]) -> None:
        """Plan views without a variant, in place of those planned before."""

    @abstractmethod
    def plan_views(self, views: Collection[View]) -> None:
        """Plan views for another model, which asks for their predictions, next to those planned before."""

    @abstractmethod
    def own_predictions(self, views: Collection[View]) -> dict[View, Predictions]:
        """Return the predictions of views without a variant.

        Raises:
            UserError: an image, a model or the store fails.
            UnmeasurableError: they cannot be had.
        """

    @abstractmethod
    def served(self, name: str) -> MeasuredModel:
        """Return the model of a variant, which has a serving pipeline.

        Raises:
            ModelError: the pipeline cannot be used with the model.
            UnmeasurableError: its predictions cannot be had.
        """

    def served_predictions(self, name: str, views: Collection[View]) -> Tables:
        """Return the predictions behind the serving pipeline of a variant."""
        return self.served(name).own_predictions(views)

    def check(self) -> None:
        """List all images, and check what can be checked before the long work.

        Raises:
            UserError: the files of a set have the wrong layout, or sets share images that must not.
        """
        self.suite.counts(self.planned_views)
        check_sets_differ(self.suite, self.planned_views, self._requests, self.contents.digests.path)

    def stop(self) -> None:  # noqa: B027  a table has nothing to stop
        """Drop what is predicted ahead of requests."""

    def planned_work(self) -> tuple[PlannedView, ...]:
        """Return the work on the planned dimensions; files are listed, and nothing is predicted.

        Raises:
            UserError: the files of a set have the wrong layout.
        """
        return ()

    def pop_notes(self) -> list[str]:
        """Return and forget the notes for the record since the last call."""
        notes = [*self.notes, *self.contents.notes.values()]
        self.notes = []
        self.contents.notes.clear()
        return notes

    def agreement_with_itself(self) -> list[str]:
        """Return a note on how well the model agrees with itself, if that is known."""
        return []

    def predictions(self, views: Collection[View]) -> dict[View, Predictions]:
        """Return the predictions of views, those of variants by their models.

        Raises:
            UserError: an image, a model or the store fails.
            UnmeasurableError: a view needs a reference, and there is none.
        """
        tables = self.own_predictions([view for view in views if not view.variant])
        for variant, views_of_variant in views_by_variant(views).items():
            of_variant = self._predictions_of(variant, views_of_variant, tables)
            tables |= {replace(view, variant=variant): table for view, table in of_variant.items()}
        return tables

    def _predictions_of(self, variant: str, views: Collection[View], own: Tables) -> Tables:
        """Return the predictions of a variant's model; recorded ones next to this model's own."""
        if variant != REFERENCE:
            return self.served_predictions(variant, views)
        if isinstance(self.reference, RecordedAnswers):
            return self.reference.predictions(own, self.contents.key(CLEAN), self.clean_answers.outputs)
        if self.reference is None:
            raise UnmeasurableError(NO_REFERENCE)
        return self.reference.predictions(views)

    def _variant(self, name: str) -> MeasuredModel | RecordedAnswers:
        """Return the model that predicts the views of a variant.

        Raises:
            UnmeasurableError: a reference is needed, and there is none.
            ModelError: a serving pipeline cannot be used with the model.
        """
        if name != REFERENCE:
            return self.served(name)
        if self.reference is None:
            raise UnmeasurableError(NO_REFERENCE)
        return self.reference

    @property
    def facts(self) -> Facts:
        """Facts for dimensions about suite, model and protocol."""
        return Facts(replace(self.suite.facts, requests=self._requests), self.model_facts, self.protocol)

    @cached_property
    def clean_answers(self) -> CleanAnswers:
        """The model's answers on the clean set, by image."""
        table = self.own_predictions([CLEAN])[CLEAN]
        examples = sorted(self.suite.examples(CLEAN), key=lambda example: example.index)
        names = [example.full_name for example in examples]
        slices = self._slices.of(CLEAN) if self.facts.suite.slices else {}
        return CleanAnswers.of(table, names, self.suite.class_names, slices)

    def plan(self, names: Iterable[str], requests: Iterable[Request] = ()) -> None:
        """Plan dimensions that can be measured, for shared passes.

        Args:
            names: the dimensions.
            requests: numbers to measure in addition: further parts of dimensions, and slices, which accuracy
                always has.
        """
        names = list(names)
        requests = tuple(
            dict.fromkeys(request for request in requests if request.is_further_part or request.slice)
        )
        shared = _shared_name(requests)
        if shared is not None:
            raise ThresholdError(
                f"two demanded numbers have the name {shared}",
                hint="Rename a class or a set, or state the same probabilities of classes.",
            )
        for changed in {request.dimension for request in {*requests} ^ {*self._requests, *self._missing}}:
            self._outcomes.pop(changed, None)
            self._unmeasurable.pop(changed, None)
        reasons = {
            request: reason for request in requests if (reason := self._reason_against(request)) is not None
        }
        self._missing = reasons
        self._requests = tuple(request for request in requests if request not in reasons)
        unmeasurable = self.unmeasurable_reasons(names)
        views = [view for name in names if name not in unmeasurable for view in self._views(name)]
        self.plan_own([view for view in views if not view.variant])
        for variant, views_of_variant in views_by_variant(views).items():
            with contextlib.suppress(QubaError):  # the measurement reports the error
                model = self._variant(variant)
                if isinstance(model, MeasuredModel):
                    model.plan_views(views_of_variant)

    def outcome(self, name: str) -> Outcome:
        """Return the measurement of a dimension, or the reason for none; computed once.

        Raises:
            UserError: unknown dimension, or an image or the store cannot be used.
            InvariantError: a guard detected that the number would be wrong.
        """
        if name not in self._outcomes:
            try:
                self._outcomes[name] = self._measure(name)
            except UnmeasurableError as error:
                self._outcomes[name] = Unmeasurable(name, error.reason, error.missing_data)
        return self._outcomes[name]

    def unmeasurable_reason(self, name: str) -> Unmeasurable | None:
        """Return why a dimension cannot be measured, None if it can; computed once.

        Raises:
            UserError: unknown dimension, or the files of a set have the wrong layout.
        """
        if name not in self._unmeasurable:
            self._unmeasurable[name] = unmeasurable_reason(
                registry[name], self.suite, self.attack_obstacle, self._requests
            )
            try:
                for variant in views_by_variant(self._views(name)):
                    self._variant(variant)
            except UnmeasurableError as error:
                self._unmeasurable[name] = Unmeasurable(name, error.reason)
        return self._unmeasurable[name]

    def unmeasurable_reasons(self, names: Iterable[str]) -> dict[str, Unmeasurable]:
        """Return the reasons of dimensions that cannot be measured, by name.

        Errors, such as a set with the wrong layout, are left for the measurement to report.
        """
        unmeasurable: dict[str, Unmeasurable] = {}
        for name in names:
            with contextlib.suppress(QubaError):
                reason = self.unmeasurable_reason(name)
                if reason is not None:
                    unmeasurable[name] = reason
        return unmeasurable

    def measure(self, name: str) -> Measurement:
        """Return the measurement of a dimension.

        Its `tables` hold the details behind the value, for example the accuracy of each class.

        Raises:
            UnmeasurableError: the dimension has no value here, with the reason.
            UserError, InvariantError: see `outcome`.
        """
        outcome = self.outcome(name)
        if isinstance(outcome, Unmeasurable):
            raise UnmeasurableError(outcome.reason, missing_data=outcome.missing_data)
        return outcome

    def grade(
        self, rules: GradeRules = GradeRules(), *, population: str | Path | Population = "published"
    ) -> Grade:
        """Measure all nine dimensions; return their QUBA score and its place in a population.

        Nothing is measured if a dimension cannot be measured and may not be missing.

        Args:
            rules: what counts for the grade.
            population: see `quba_score`.

        Returns:
            The grade. Without a letter, `not_graded` states the reason: a dimension without a value, a masked
            value, or a population of another suite.
        """
        unmeasurable = self.unmeasurable_reasons(PUBLISHED_DIMENSIONS)
        reasons = {name: outcome.reason for name, outcome in unmeasurable.items()}
        unreachable = unreachable_grade(reasons, rules, population=population)
        if unreachable is not None:
            return unreachable
        outcomes = {name: self.outcome(name) for name in PUBLISHED_DIMENSIONS}
        measured = {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, Measurement)}
        values = {name: measurement.value for name, measurement in measured.items()}
        suite = self.facts.suite
        run = GradedRun(self.protocol.name, suite.name, suite.class_count, suite.generates_corruptions)
        return grade(values, rules, population=population, run=run, measured=measured)

    def _views(self, name: str) -> tuple[View, ...]:
        return registry[name].views(self.facts.suite)

    def _measure(self, name: str) -> Outcome:
        reason = self.unmeasurable_reason(name)
        if reason is not None:
            return reason
        views = self._views(name)
        requests = [request for request in self._requests if request.dimension == name]
        check_sets_differ(self.suite, views, requests, self.contents.digests.path)
        check_groups_agree(self.suite, requests)
        predictions = self.predictions(views) if views else {}
        if any(request.slice and request.is_further_part for request in requests):
            predictions = {
                view: replace(table, slices=self._slices.of(view.images))
                for view, table in predictions.items()
            }
        measurement = measure_dimension(registry[name], predictions, self.facts)
        if name == "parity" and isinstance(self.reference, MeasuredModel) and measurement.value < 1:
            self.notes += self.reference.agreement_with_itself()
        if predictions:
            tables = (predictions[view] for view in sorted(predictions, key=str))
            measurement = replace(measurement, outputs=outputs_digest(tables))
        missing = {
            request.on_all_images.name: why
            for request, why in self._missing.items()
            if request.dimension == name
        }
        measurement = replace(measurement, unmeasured={**measurement.unmeasured, **missing})
        sliced = [request for request in requests if request.slice and not request.is_further_part]
        if not (sliced or name == "accuracy") or not self.facts.suite.slices:
            return measurement
        return measure_slices(
            registry[name],
            measurement,
            predictions,
            {view: self._slices.of(view.images) for view in views},
            self.facts,
            sliced,
            with_gaps=name == "accuracy",
        )

    def _reason_against(self, request: Request) -> Unmeasurable | None:
        """Return the reason against a requested number alone; None without one."""
        try:
            for view in request_views(request, self.suite.facts) if request.is_further_part else ():
                missing = self.suite.missing(view.images)
                if missing is not None:
                    return Unmeasurable(request.dimension, missing, missing_data=True)
                if view.variant:
                    self._variant(view.variant)
        except UnmeasurableError as error:
            return Unmeasurable(request.dimension, error.reason, error.missing_data)
        except QubaError:  # the measurement reports the error
            pass
        return None


def _shared_name(requests: Iterable[Request]) -> str | None:
    """Return the name of two different requests; None without one."""
    distinct = dict.fromkeys(
        each_request for request in requests for each_request in (request, request.on_all_images)
    )
    names = Counter(target_name(request.dimension, request.part) for request in distinct)
    return next((name for name, times in names.items() if times > 1), None)


def unmeasurable_reason(
    dimension: Dimension, suite: Suite, no_gradient: str = "", requests: Iterable[Request] = ()
) -> Unmeasurable | None:
    """Return why a dimension cannot be measured on a suite, None if it can.

    No image is read to find it.

    Args:
        dimension: the dimension.
        suite: the suite; labels of its sets are listed if the dimension depends on them.
        no_gradient: reason why the model gives no gradients; empty if it may.
        requests: numbers that are measured as further parts of dimensions.

    Raises:
        SuiteError: the files of a set do not have the layout that its reader expects.
    """
    facts = replace(suite.facts, requests=tuple(requests))
    views = dimension.views(facts)
    for view in views:
        missing = suite.missing(view)
        if missing is not None:
            return Unmeasurable(dimension.name, missing, missing_data=True)
    if no_gradient and any(view.attack is not None for view in views):
        return Unmeasurable(dimension.name, no_gradient)
    try:
        dimension.check_suite(facts, suite.labels)
    except UnmeasurableError as error:
        return Unmeasurable(dimension.name, error.reason, error.missing_data)
    return None


def views_by_variant(views: Iterable[View]) -> dict[str, list[View]]:
    """Return the views of each variant as its model predicts them."""
    variants: dict[str, list[View]] = defaultdict(list)
    for view in views:
        if view.variant:
            variants[view.variant].append(replace(view, variant=""))
    return variants
