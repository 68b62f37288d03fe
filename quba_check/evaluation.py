"""The Python API: measures a model on a suite, without pytest."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from quba_check.core.dimension import PUBLISHED_DIMENSIONS, Dimension
from quba_check.core.grade import Grade, GradeRules
from quba_check.core.measurement import Measurement, Outcome, Unmeasurable
from quba_check.core.predictions import outputs_digest
from quba_check.core.protocols import Protocol, ProtocolName
from quba_check.core.request import Request, target_name
from quba_check.core.view import View
from quba_check.demo import DEMO_MODELS
from quba_check.dimensions import measure_dimension, measure_slices, registry, request_views
from quba_check.errors import HeadError, OptionError, QubaError, ThresholdError, UnmeasurableError
from quba_check.grading import GradedRun, Population, grade, unreachable_grade
from quba_check.models.classifier import Classifier
from quba_check.models.loading import load_classifier
from quba_check.models.request import LoadRequest
from quba_check.predictor import Predictor, views_by_variant
from quba_check.predictor import RunSettings as RunSettings
from quba_check.storage.locations import default_location, digests_file
from quba_check.storage.opening import open_store
from quba_check.storage.store import Store
from quba_check.storage.user_files import user_location
from quba_check.suites.opening import DEMO_SUITE, find_suite
from quba_check.suites.sampling import WHOLE, SubsetSampler
from quba_check.suites.set_images import check_groups_agree
from quba_check.suites.shared_images import check_sets_differ
from quba_check.suites.suite import Suite


class Evaluation(Predictor):
    """A model on a suite under one protocol.

    Predictions are stored and reused.

    Args:
        model: a model spec (`demo`, a model file, `timm:NAME`, `open_clip:NAME/TAG`,
            `package.module:callable`, …) or a loaded classifier.
        suite: a data folder, `"demo"`, or an open suite; None means the demo's images for a demo model, else
            `$QUBA_DATA`.
        request: how a model is loaded from its spec; the suite fills in the classes and their outputs.
        protocol: `standard`, or `released` (that of the paper's released code).
        sampler: selects the images of each set; has no effect on an open suite. Its seed is also that of
            random starts and generated corruptions.
        store: folder, URL or open store of predictions; None: `$QUBA_STORE`, else the user's cache.
        run: how predictions are made and reported.

    Attributes:
        reference: the model that `parity` compares with; None without one. Set it before `plan`.
        preprocessing: the model's preprocessing as plain values, for records.

    Raises:
        UserError: model, suite or store cannot be used; the message states where, and what to do.

    Examples:
        >>> Evaluation("demo").measure("accuracy")  # doctest: +SKIP
        Measurement(accuracy 0.975 fraction, n=400, 0.954..0.988)
    """

    def __init__(
        self,
        model: str | Classifier,
        suite: str | Path | Suite | None = None,
        *,
        request: LoadRequest | None = None,
        protocol: ProtocolName = "standard",
        sampler: SubsetSampler = WHOLE,
        store: str | Path | Store | None = None,
        run: RunSettings | None = None,
    ) -> None:
        if not isinstance(model, str | Classifier):
            raise OptionError(
                where="model",
                got=f"a value of type {type(model).__name__}",
                allowed="a model spec, such as 'model.pt' or 'package.module:callable', or a loaded "
                "Classifier",
            )
        registry.load_entry_points()
        if not isinstance(store, Store):
            store = open_store(default_location() if store is None else user_location(store, "store"))
        spec = model.spec if isinstance(model, Classifier) else model
        if suite is None and spec in DEMO_MODELS:
            suite = DEMO_SUITE
        if not isinstance(suite, Suite):
            suite = find_suite(suite, store.root, sampler)
        if not isinstance(model, Classifier):
            request = replace(
                request or LoadRequest(),
                classes=suite.classes,
                positions_of=suite.manifest.classes.positions_of,
                head=suite.head,
                image_size=suite.image_size,
                prompts=suite.prompts,
                cache=store.root,
            )
            model = load_classifier(model, request)
        classes = model.head.classes
        if classes != len(suite.classes):
            raise HeadError(
                f"the classifier was loaded for {classes} classes, the suite has "
                f"{len(suite.classes)}. Load it with the suite's classes and head.",
                where=model.spec,
                theirs=classes,
                classes=len(suite.classes),
            )
        super().__init__(model, suite, store, Protocol.named(protocol), run or RunSettings())
        self._missing: dict[Request, Unmeasurable] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._unmeasurable: dict[str, Unmeasurable | None] = {}

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
        self.engine.cache_keys.keeps_logits = any(request.needs_logits for request in requests)
        unmeasurable = self.unmeasurable_reasons(names)
        views = [view for name in names if name not in unmeasurable for view in self._views(name)]
        transferred = self.transferred_views(views)
        if transferred:
            self.transfer.plan_views(transferred)
        own = (view for view in views if not view.variant and view not in transferred)
        self.engine.run_views = tuple(dict.fromkeys(own))
        for variant, own_views in views_by_variant(views).items():
            with contextlib.suppress(QubaError):  # the measurement reports the error
                model = self._variant(variant)
                if isinstance(model, Predictor):
                    model.plan_views(own_views)

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
        check_sets_differ(self.suite, views, requests, digests_file(self.store.root))
        check_groups_agree(self.suite, requests)
        predictions = self.predictions(views) if views else {}
        if any(request.slice and request.is_further_part for request in requests):
            predictions = {
                view: replace(table, slices=self._slices.of(view.images))
                for view, table in predictions.items()
            }
        measurement = measure_dimension(registry[name], predictions, self.facts)
        if name == "parity" and isinstance(self.reference, Predictor) and measurement.value < 1:
            self.engine.tables.notes.append(self.reference.engine.noise_floor())
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
