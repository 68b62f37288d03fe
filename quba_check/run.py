"""A gate run: from options to verdicts. Knows no pytest; the plugin hands it options and items."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from quba_check.comparison.alike import differing
from quba_check.comparison.baseline import drop
from quba_check.comparison.compared import StoredRun
from quba_check.comparison.stored import stored_run
from quba_check.demands.demand import Demand, Thresholds
from quba_check.demands.profiles import DEMO_THRESHOLDS, find_thresholds, shipped_profiles, shown_name
from quba_check.demands.thresholds import read_thresholds
from quba_check.demo import DEMO_MODELS
from quba_check.dimensions import registry
from quba_check.early_stop import EarlyStop, Stopped, check_goes_together
from quba_check.errors import InvariantError, OptionError, QubaError, UserError, listed
from quba_check.gate import Held, doubt, judge, judge_stopped
from quba_check.grading import grade, population
from quba_check.models.preparation_file import read_preparation
from quba_check.models.specs import check_spec, check_takes_architecture
from quba_check.options import Options
from quba_check.protocol.dimension import PUBLISHED_DIMENSIONS
from quba_check.protocol.drop import Drop
from quba_check.protocol.facts import SuiteFacts
from quba_check.protocol.grade import Grade
from quba_check.protocol.measurement import Measurement, Outcome, Unmeasurable
from quba_check.protocol.record import AnyMeasurementRow, GradeRow, SetRow, VerdictRow, row_of
from quba_check.protocol.settings import ProtocolName
from quba_check.reports.files import read_record

if TYPE_CHECKING:
    from quba_check.engine.engine import Progress
    from quba_check.evaluation import Evaluation
    from quba_check.models.classifier import Classifier
    from quba_check.suites.suite import Suite

QUBA = "quba"


class Row(BaseModel):
    """What the judging of one demand leaves behind; travels as JSON from a worker to the controller.

    Attributes:
        model: name of the model.
        protocol: protocol of the evaluation.
        verdict: the verdict.
        measurements: of every dimension that the demand looked at.
        contents: addresses of the image views behind them.
        sets: sizes of the sets behind them.
        notes: remarks on the run (a damaged artefact made again, …).
        properties: what JUnit files show of it.
        grade: the grade, where the demand was on score or grade.
        images: what was found image by image (`PerImage.to_bytes`), of dimensions that no earlier row of this
            process was about.
    """

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64")

    model: str
    protocol: ProtocolName
    verdict: VerdictRow
    measurements: dict[str, AnyMeasurementRow] = Field(default_factory=dict)
    contents: dict[str, str] = Field(default_factory=dict)
    sets: dict[str, SetRow] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    properties: dict[str, float | str] = Field(default_factory=dict)
    grade: GradeRow | None = None
    images: tuple[bytes, ...] = ()

    @property
    def is_met(self) -> bool:
        """Whether the demand passed, or may go without."""
        return self.verdict.is_met

    @property
    def blocks(self) -> bool:
        """Whether it keeps the model from being released."""
        return not self.is_met and self.verdict.tier == "block"

    @property
    def warns(self) -> bool:
        """Whether it is not met and only warns."""
        return not self.is_met and self.verdict.tier == "warn"


class Run:
    """The models, the suite and the threshold files of a run.

    Args:
        options: what was asked for.
        root: folder to which shown paths are relative.
        worker: number of this process among several, None where it is the only one.

    Attributes:
        models: specs by name.
        files: the threshold files that are judged by, in the order of the command line.
        progress: told of every shard that is predicted; set it before the first evaluation.
        notes: remarks on a model for its records, by its name.
        preparation: what `--quba-preparation` states.
        is_demo: the models bring their own suite and thresholds.

    Raises:
        UserError: options that do not go together.
    """

    def __init__(
        self,
        options: Options,
        root: Path,
        *,
        worker: int | None = None,
    ) -> None:
        self.options = options
        self.models = _names(options.models)
        self.files: tuple[Path, ...] = ()
        self.notes: dict[str, list[str]] = {}
        self._root = root
        self._worker = worker
        self.progress: Progress | None = None
        self._thresholds: dict[Path, Thresholds] = {}
        self._classifiers: dict[str, Classifier] = {}
        self._evaluations: dict[tuple[str, ProtocolName], Evaluation] = {}
        self._planned: dict[tuple[str, ProtocolName], list[str]] = {}
        self._blocking: dict[tuple[str, Path], list[Demand]] = {}
        self._selected: dict[tuple[str, ProtocolName], list[Demand]] = {}
        self._failed: dict[tuple[str, ProtocolName, str], Unmeasurable] = {}
        self._told: set[tuple[str, ProtocolName, str]] = set()
        demos = [spec for spec in options.models if spec in DEMO_MODELS]
        if demos and len(demos) < len(options.models):
            other = next(spec for spec in options.models if spec not in DEMO_MODELS)
            raise OptionError(
                f"--model: '{demos[0]}' brings its own images and thresholds; it cannot be judged together "
                f"with '{other}'. Use two runs."
            )
        self.is_demo = bool(demos)
        if options.arch is not None:
            check_takes_architecture(options.arch, [check_spec(spec) for spec in options.models])
        # Read here, so that mistakes in it end the run before torch is loaded.
        self.preparation = (
            None
            if options.preparation is None
            else read_preparation(options.preparation, self.shown(options.preparation))
        )

    def default_files(self) -> list[Path]:
        """The threshold files of a run that names none on the command line."""
        if self.options.thresholds:
            return [find_thresholds(text, self._root) for text in self.options.thresholds]
        if self.is_demo:
            return [DEMO_THRESHOLDS]
        own = self._root / "thresholds" / "default.yaml"
        return [own if own.is_file() else shipped_profiles()["default"]]

    def shown(self, path: Path) -> str:
        """How a threshold file is called in ids and messages; what is shown can be typed."""
        if path.is_relative_to(self._root) and not self.is_shipped(path):
            return path.relative_to(self._root).as_posix()
        return shown_name(path)

    def is_shipped(self, path: Path) -> bool:
        """Whether a threshold file is one of the installed package, not of a checkout that is worked in."""
        inside = path.is_relative_to(self._root) and "site-packages" not in path.parts
        return not inside and shown_name(path) != str(path)

    def thresholds(self, path: Path) -> Thresholds:
        """A threshold file, read once.

        Raises:
            ThresholdError: a mistake in it.
            PopulationError: its population cannot grade anything.
        """
        if path not in self._thresholds:
            read = read_thresholds(path, shown=self.shown(path), suite=self.suite.facts)
            asked = self.options.protocol
            if read.protocol is not None and asked is not None and read.protocol != asked:
                raise OptionError(
                    f"--quba-protocol: got '{asked}', but {read.shown} states protocol {read.protocol}. "
                    "Leave the option out, or use a threshold file written for that protocol."
                )
            if self.options.early_stop:
                check_goes_together(read)
            if self.baseline is not None and any(demand.needs_baseline for demand in read.demands):
                theirs, ours = self.baseline.record.protocol, self.protocol_of(read)
                if theirs != ours:
                    raise OptionError(
                        f"--quba-baseline: {self.baseline.file} is of protocol {theirs}, but {read.shown} is "
                        f"about protocol {ours}. Allowed: a record of a run under {ours}."
                    )
            population(read.quba.population).scores(read.quba.weights)
            self._thresholds[path] = read
        return self._thresholds[path]

    def protocol_of(self, thresholds: Thresholds) -> ProtocolName:
        """The protocol that a file's demands are about."""
        return thresholds.protocol or self.options.protocol or "standard"

    @cached_property
    def store(self) -> Path:
        """Folder that keeps predictions."""
        from quba_check.engine.store import default_root

        return self.options.store or default_root()

    @cached_property
    def suite(self) -> Suite:
        """The images, as far as the manifest tells."""
        from quba_check.suites.draw import Draw
        from quba_check.suites.places import suite_at

        draw = Draw(self.options.limit, self.options.seed, shuffled=self.options.early_stop)
        return suite_at("demo" if self.is_demo else self.options.data, self.store, draw)

    def plan(self, demands: Iterable[tuple[str, Thresholds, Demand]]) -> None:
        """Say which demands (model name, file, demand) will be judged, so that their views share passes."""
        self._planned, self._blocking, self._selected = {}, {}, {}
        for model, thresholds, demand in demands:
            if demand.tier == "block":
                self._blocking.setdefault((model, thresholds.path), []).append(demand)
            key = model, self.protocol_of(thresholds)
            self._selected.setdefault(key, []).append(demand)
            names = self._planned.setdefault(key, [])
            names.extend(name for name in _dimensions_of(demand) if name not in names)
        for key, names in self._planned.items():
            if key in self._evaluations:
                self._evaluations[key].plan(names)

    def check(self, demands: Iterable[tuple[str, Thresholds, Demand]]) -> None:
        """Load every model and show it its first images, before the long work starts.

        Where a guard finds that these answers would be wrong, each demand that needs them will say so.

        Raises:
            UserError: a model, its answers, or the data cannot be used.
        """
        self.plan(demands)
        for model, protocol in self._planned:
            with contextlib.suppress(InvariantError):
                self.evaluation(model, protocol).check()

    def evaluation(self, model: str, protocol: ProtocolName) -> Evaluation:
        """The evaluation of a model under a protocol; the model is loaded once for both."""
        from quba_check.engine.shards import Tempo
        from quba_check.evaluation import Evaluation
        from quba_check.models.specs import load_classifier

        options = self.options
        if model not in self._classifiers:
            self._classifiers[model] = load_classifier(
                self.models[model],
                classes=self.suite.classes,
                image_size=self.suite.image_size,
                arch=options.arch if check_spec(self.models[model]).takes_architecture else None,
                preparation=self.preparation,
                device=options.device,
                precision=options.precision,
                trust_pickle=options.trust_pickle,
                worker=self._worker,
                prompts=self.suite.prompts,
                cache=self.store,
                tell=self._tell,
            )
        key = model, protocol
        if key not in self._evaluations:
            self._evaluations[key] = Evaluation(
                self._classifiers[model],
                self.suite,
                protocol=protocol,
                seed=options.seed,
                store=self.store,
                tempo=Tempo(options.batch_size, options.workers),
                progress=self.progress,
            )
            self._evaluations[key].plan(self._planned.get(key, ()))
        return self._evaluations[key]

    def _tell(self, words: str) -> None:
        """Say on the progress line what is being done before images are."""
        if self.progress is not None:
            self.progress(words, 0, 0, 0.0, lambda: 0)

    def judge(self, node: str, model: str, thresholds: Thresholds, demand: Demand) -> Row:
        """Measure what a demand asks for and hold it to its bound.

        Args:
            node: id of the demand's item.
            model: name of the model.
            thresholds: the file that the demand is from.
            demand: the demand.
        """
        protocol = self.protocol_of(thresholds)
        evaluation = self.evaluation(model, protocol)
        stopped = self._stopped(evaluation, model, thresholds, demand)
        some = None if stopped is None else stopped.row
        outcomes = (
            self._outcomes(evaluation, model, demand)
            if stopped is None
            else {stopped.measurement.dimension: stopped.measurement}
        )
        rows = {
            name: row_of(outcome, registry[name], evaluation.facts.suite, some)
            for name, outcome in outcomes.items()
        }
        seen = [name for name, outcome in outcomes.items() if isinstance(outcome, Measurement)]
        held = self._held(evaluation, demand, outcomes, thresholds, protocol)
        repaired, evaluation.engine.tables.repaired = evaluation.engine.tables.repaired, []
        verdict = (
            judge(demand, held, thresholds.policy, self._doubts_beside(demand, model, thresholds))
            if stopped is None
            else judge_stopped(demand, stopped.measurement, stopped.row, thresholds.policy)
        )
        known = {"value": verdict.value, demand.bound: demand.limit, "unit": verdict.unit}
        return Row(
            model=model,
            protocol=protocol,
            verdict=verdict.row(node),
            measurements=rows,
            contents=evaluation.contents(seen, None if stopped is None else stopped.shards),
            sets=evaluation.sets(seen),
            notes=tuple(repaired),
            properties={name: word for name, word in known.items() if word is not None}
            | {"protocol": protocol},
            grade=GradeRow(file=thresholds.shown, **asdict(held)) if isinstance(held, Grade) else None,
            images=tuple(self._images(evaluation, model, outcomes)) if stopped is None else (),
        )

    def _stopped(
        self, evaluation: Evaluation, model: str, thresholds: Thresholds, demand: Demand
    ) -> Stopped | None:
        """How a demand was decided from some of the images, where that was asked for and can be."""
        if not self.options.early_stop:
            return None
        selected = self._selected.get((model, self.protocol_of(thresholds)), ())
        return EarlyStop(evaluation, selected).decided(demand, thresholds.policy.error)

    def _images(self, evaluation: Evaluation, model: str, outcomes: Mapping[str, Outcome]) -> Iterator[bytes]:
        """What was found image by image, once of each dimension."""
        for name, outcome in outcomes.items():
            key = model, evaluation.protocol.name, name
            if key not in self._told and isinstance(outcome, Measurement):
                self._told.add(key)
                yield evaluation.per_image(outcome).to_bytes()

    def _outcomes(self, evaluation: Evaluation, model: str, demand: Demand) -> dict[str, Outcome]:
        """What the dimensions are that a demand looks at."""
        return {name: self._outcome(evaluation, model, name) for name in _dimensions_of(demand)}

    def _held(
        self,
        evaluation: Evaluation,
        demand: Demand,
        outcomes: Mapping[str, Outcome],
        thresholds: Thresholds,
        protocol: ProtocolName,
    ) -> Held:
        """What is held to the bound; a population that cannot grade leaves the reason instead of a grade."""
        if demand.dimension != QUBA:
            own = outcomes[demand.dimension]
            if demand.needs_baseline and isinstance(own, Measurement) and self.baseline is not None:
                return self._drop(demand, own, evaluation, self.baseline)
            return own
        found = {name: out for name, out in outcomes.items() if isinstance(out, Measurement)}
        try:
            return grade_of(
                {name: out.value for name, out in found.items()},
                thresholds,
                protocol,
                self.suite.facts,
                measured=found,
            )
        except UserError as error:
            return Unmeasurable(QUBA, str(error))

    def _drop(
        self, demand: Demand, found: Measurement, evaluation: Evaluation, baseline: StoredRun
    ) -> Drop | Unmeasurable:
        """How much worse a value is than the baseline's, where the two may be compared."""
        suite = evaluation.suite_row(evaluation.contents([found.dimension]), {})
        others = differing(baseline.record, evaluation.protocol.name, suite)
        if others:
            reason = f"{baseline.file} cannot be its baseline: it differs in {listed(others)}"
            return Unmeasurable(found.dimension, reason)
        relative = demand.bound == "max_relative_drop"
        return drop(baseline, found, demand.part, demand.better, relative=relative)

    @cached_property
    def baseline(self) -> StoredRun | None:
        """The stored run that drops are counted from.

        Raises:
            UserError: it cannot be read.
        """
        path = self.options.baseline
        if path is None:
            return None
        shown = path.relative_to(self._root).as_posix() if path.is_relative_to(self._root) else str(path)
        return stored_run(path, shown, read_record(path), self.store)

    @property
    def baseline_notes(self) -> tuple[str, ...]:
        """What reports say of the baseline: that it fails demands of its own."""
        if self.baseline is None or not self.baseline.failed:
            return ()
        return (
            f"the baseline {self.baseline.file} fails demands of its own: {listed(self.baseline.failed)}",
        )

    def _doubts_beside(self, demand: Demand, model: str, thresholds: Thresholds) -> Iterator[float]:
        """The doubts of the other blocking demands of the file that were selected, as they are asked for."""
        protocol = self.protocol_of(thresholds)
        for other in self._blocking.get((model, thresholds.path), ()):
            if other != demand:
                outcomes = self._outcomes(self.evaluation(model, protocol), model, other)
                found = doubt(
                    other, self._held(self.evaluation(model, protocol), other, outcomes, thresholds, protocol)
                )
                if found is not None:
                    yield found

    def _outcome(self, evaluation: Evaluation, model: str, name: str) -> Outcome:
        """The measurement; an image, store or guard that failed leaves the reason instead of a number."""
        key = model, evaluation.protocol.name, name
        if key not in self._failed:
            try:
                return evaluation.outcome(name)
            except QubaError as error:
                self._failed[key] = Unmeasurable(name, str(error))
        return self._failed[key]


def grade_of(
    values: Mapping[str, float],
    thresholds: Thresholds,
    protocol: ProtocolName,
    suite: SuiteFacts,
    *,
    measured: Mapping[str, Measurement] | None = None,
) -> Grade:
    """The grade of values by the settings of a threshold file."""
    return grade(
        {name: values[name] for name in PUBLISHED_DIMENSIONS if name in values},
        weights=thresholds.quba.weights,
        population=thresholds.quba.population,
        protocol=protocol,
        allow_missing=thresholds.quba.allow_missing,
        suite=suite.name,
        measured=measured,
        generated_corruptions=suite.generates_corruptions,
    )


def _dimensions_of(demand: Demand) -> tuple[str, ...]:
    return PUBLISHED_DIMENSIONS if demand.dimension == QUBA else (registry[demand.dimension].name,)


def _names(specs: Iterable[str]) -> dict[str, str]:
    """Unique names for model specs: name → spec.

    Raises:
        ModelError: one of them is no model spec.
        OptionError: one is given twice.
    """
    names: dict[str, str] = {}
    for spec in specs:
        if spec in names.values():
            raise OptionError(f"--model: '{spec}' is given twice. Name each model once.")
        name = check_spec(spec).name
        taken = sum(known == name or known.startswith(f"{name}~") for known in names)
        names[f"{name}~{taken + 1}" if taken else name] = spec
    return names
