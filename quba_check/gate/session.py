"""A gate session: models, suite and threshold files, without pytest."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from quba_check.comparison.stored_run import StoredRun, stored_run
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.grade import Grade
from quba_check.core.protocols import ProtocolName
from quba_check.demands.demand import Thresholds
from quba_check.demands.profiles import DEMO_THRESHOLDS, find_thresholds, shipped_profiles
from quba_check.demands.reading import read_thresholds
from quba_check.errors import InvariantError, ThresholdError
from quba_check.executors.settings import read_settings
from quba_check.gate.demo_models import is_demo_run
from quba_check.gate.options import Options
from quba_check.gate.plan import PlannedDemand, plan_demands
from quba_check.gate.threshold_files import check_thresholds, shown_path
from quba_check.models.preprocessing.file import read_preprocessing
from quba_check.models.request import LoadRequest
from quba_check.models.specs import check_takes_architecture, models_by_name
from quba_check.records.files import read_record_and_digest
from quba_check.records.provenance import FindingRow
from quba_check.storage.user_files import file_kind
from quba_check.verdicts.derived import unreachable_grade_of

if TYPE_CHECKING:
    from quba_check.engine.progress import Finished, Progress
    from quba_check.evaluation import Evaluation
    from quba_check.executors.pool import WorkerPool
    from quba_check.models.classifier import Classifier
    from quba_check.storage.store import Store
    from quba_check.suites.suite import Suite


class GateSession:
    """The models, the suite and the threshold files of one gate run.

    Args:
        options: the options of the run.
        root: folder to which shown paths are relative.
        worker: number of this process among several, None if it is the only one.
        started: start of the run in seconds since 1970, None for now. An older listing of a remote data
            folder is not used.

    Attributes:
        models: specs by the name of the model.
        files: the threshold files to check, in the order of the command line.
        progress: called while images are predicted; set it before the first evaluation.
        finished: called for every complete set, likewise.
        announce: called with each step that precedes predictions.
        show_step: called with the parts of such a step, which a log does not print.
        notes: notes on a model for its records, by its name.
        findings: the doctor's findings on a model before the run, by its name.
        baseline_digest: SHA-256 (hex) of the baseline's record, once it was read.
        command: words of the command line for records.
        preprocessing: content of the file given by `--quba-preprocessing`, if any.
        is_demo: True if the models bring their own suite and thresholds.

    Raises:
        UserError: options that exclude each other.
    """

    def __init__(
        self, options: Options, root: Path, *, worker: int | None = None, started: float | None = None
    ) -> None:
        self.options = options
        self.root = root
        self.models = models_by_name(options.models)
        self.files: tuple[Path, ...] = ()
        self.notes: dict[str, list[str]] = {}
        self.findings: dict[str, tuple[FindingRow, ...]] = {}
        self.command: tuple[str, ...] = ()
        self.progress: Progress | None = None
        self.finished: Finished | None = None
        self.announce: Callable[[str], None] = lambda _: None
        self.show_step: Callable[[str], None] = lambda _: None
        self.started = time.time() if started is None else started
        self._worker = worker
        self._thresholds: dict[Path, Thresholds] = {}
        self._classifiers: dict[str, Classifier] = {}
        self._evaluations: dict[tuple[str, ProtocolName], Evaluation] = {}
        self._unreachable: dict[tuple[str, Path], Grade | None] = {}
        self._selected: tuple[PlannedDemand, ...] = ()
        self.baseline_digest = ""
        self.is_demo = is_demo_run(options, root)
        if options.arch is not None:
            check_takes_architecture(options.arch, list(self.models.values()))
        # Read here, so that an invalid file ends the run before torch is loaded.
        self.preprocessing = (
            None
            if options.preprocessing is None
            else read_preprocessing(options.preprocessing, shown_path(options.preprocessing, root))
        )
        path = options.executor_settings
        self._executor_settings = None if path is None else read_settings(path, shown_path(path, root))

    @property
    def protocol(self) -> ProtocolName:
        """The protocol of threshold files that state none."""
        return self.options.protocol or "standard"

    def default_files(self) -> list[Path]:
        """Return the threshold files of a command line without paths."""
        if self.options.thresholds:
            return [find_thresholds(text, self.root) for text in self.options.thresholds]
        if self.is_demo:
            return [DEMO_THRESHOLDS]
        own = self.root / "thresholds" / "default.yaml"
        exists = file_kind(own, str(own), ThresholdError) is not None
        return [own if exists else shipped_profiles()["default"]]

    def thresholds(self, path: Path) -> Thresholds:
        """Return the content of a threshold file, which is read once.

        Raises:
            ThresholdError: a mistake in the file.
            OptionError: the file and an option exclude each other.
            PopulationError: the population of the file cannot grade anything.
        """
        if path not in self._thresholds:
            thresholds = read_thresholds(path, shown=shown_path(path, self.root), suite=self.suite.facts)
            check_thresholds(thresholds, self.options, self.baseline)
            self._thresholds[path] = thresholds
        return self._thresholds[path]

    def demands(self, files: Iterable[Path]) -> list[PlannedDemand]:
        """Return the demands of threshold files on each model."""
        return plan_demands(self.models, map(self.thresholds, files), self.protocol)

    @cached_property
    def store_place(self) -> str | Path:
        """Folder or URL of the prediction store."""
        from quba_check.storage.places import default_place

        return self.options.store or default_place()

    @cached_property
    def store(self) -> Path:
        """Folder of the prediction store on this machine."""
        from quba_check.storage.places import local_folder

        return local_folder(self.store_place)

    @cached_property
    def opened_store(self) -> Store:
        """The prediction store, created if missing."""
        from quba_check.storage.opening import open_store

        return open_store(self.store_place)

    @cached_property
    def suite(self) -> Suite:
        """The labelled image sets; no image is read yet."""
        from quba_check.storage.data_copies import CopySettings
        from quba_check.suites.opening import find_suite
        from quba_check.suites.sampling import SubsetSampler

        if self.is_demo:
            from quba_check.demo.suite import is_drawn

            if not is_drawn(self.store):
                self.announce("drawing the images of the demo")
        options = self.options
        sampler = SubsetSampler(options.limit, options.seed, shuffled=options.early_stop)
        copies = CopySettings(
            self.started,
            announce=lambda text: self.announce(text),
            show_step=lambda text: self.show_step(text),
        )
        return find_suite("demo" if self.is_demo else options.data, self.store, sampler, copies)

    def select(self, demands: Iterable[PlannedDemand]) -> None:
        """Set the demands to judge, so that views needed by several are predicted once."""
        self._selected = tuple(demands)
        for key in self.models_and_protocols():
            if key in self._evaluations:
                self._evaluations[key].plan(self._dimensions(*key))

    def selected(self, model: str, protocol: ProtocolName) -> list[PlannedDemand]:
        """Return the selected demands on a model under a protocol."""
        return [
            planned for planned in self._selected if (planned.model, planned.protocol) == (model, protocol)
        ]

    def blocking(self, model: str, path: Path) -> list[PlannedDemand]:
        """Return the selected demands of a threshold file that can block a model."""
        return [
            planned
            for planned in self._selected
            if (planned.model, planned.thresholds.path) == (model, path) and planned.demand.tier == "block"
        ]

    def dimensions_of(self, planned: PlannedDemand) -> tuple[str, ...]:
        """Return the dimensions measured for a demand; none for an unreachable grade."""
        is_unreachable = planned.demand.is_on_grade and self.unreachable_grade(planned)
        return () if is_unreachable else planned.demand.dimensions

    def unreachable_grade(self, planned: PlannedDemand) -> Grade | None:
        """Return the grade of a demand's model if no values give a letter, else None."""
        key = planned.model, planned.thresholds.path
        if key not in self._unreachable:
            evaluation = self.evaluation(planned.model, planned.protocol)
            obstacles = evaluation.obstacles(PUBLISHED_DIMENSIONS)
            reasons = {name: unmeasurable.reason for name, unmeasurable in obstacles.items()}
            facts = self.suite.facts
            self._unreachable[key] = unreachable_grade_of(
                planned.thresholds, reasons, suite=facts.name, classes=facts.class_count
            )
        return self._unreachable[key]

    def check(self, demands: Iterable[PlannedDemand], *, is_whole_run: bool = True) -> None:
        """Load every model and predict its first images, before the long work starts.

        Wrong outputs that a guard detects are reported by each demand that needs them.

        Args:
            demands: the demands whose images come first.
            is_whole_run: no others will be judged, so that compute settings can be chosen.

        Raises:
            UserError: a model, its outputs, or the data cannot be used.
        """
        self.select(demands)
        for model, protocol in self.models_and_protocols():
            with contextlib.suppress(InvariantError):
                self.evaluation(model, protocol).check(is_whole_run=is_whole_run)

    def evaluation(self, model: str, protocol: ProtocolName) -> Evaluation:
        """Return the evaluation of a model under a protocol; both share the model.

        The store and the executor are opened before the model is loaded, which can take minutes.
        """
        store = self.opened_store
        if "torch" not in sys.modules:
            self.announce("loading torch")
        workers = self.worker_pool
        from quba_check.engine.shard_predictor import BatchSettings
        from quba_check.evaluation import Evaluation
        from quba_check.models.loading import load_classifier

        options = self.options
        if model not in self._classifiers:
            self.announce(f"loading model {model}")
            spec = self.models[model]
            request = LoadRequest(
                classes=self.suite.classes,
                head=self.suite.head,
                image_size=self.suite.image_size,
                prompts=self.suite.prompts,
                arch=options.arch if spec.takes_architecture else None,
                preprocessing=self.preprocessing,
                device=options.device,
                precision=options.precision,
                compile=options.compile,
                exact_preprocessing=options.exact_preprocessing,
                trust_pickle=options.trust_pickle,
                worker=self._worker,
                cache=self.store,
                progress=self.show_step,
            )
            self._classifiers[model] = load_classifier(spec, request)
        key = model, protocol
        if key not in self._evaluations:
            self._evaluations[key] = Evaluation(
                self._classifiers[model],
                self.suite,
                protocol=protocol,
                seed=options.seed,
                store=store,
                batch_settings=BatchSettings(options.batch_size, options.workers, options.cache_gb),
                progress=self._labelled_progress(key),
                finished=self._labelled_finished(key),
                workers=workers,
            )
            self._evaluations[key].plan(self._dimensions(*key))
        return self._evaluations[key]

    @cached_property
    def worker_pool(self) -> WorkerPool | None:
        """The workers of `--quba-executor`; None for this process."""
        from quba_check.executors.opening import open_pool

        choice = replace(self.options.executor, workers=self.options.executor_workers)
        return open_pool(
            choice, self.store_place, self._executor_settings, lambda words: self.announce(words)
        )

    def close(self) -> None:
        """End the workers of `--quba-executor`, and complete the writes of the store.

        Raises:
            StoreError: a file cannot be written.
        """
        for evaluation in self._evaluations.values():
            evaluation.engine.stop()
        for name in ("worker_pool", "opened_store"):
            if (opened := self.__dict__.get(name)) is not None:
                opened.close()

    def models_and_protocols(self) -> list[tuple[str, ProtocolName]]:
        """Return each model and protocol of the selected demands."""
        return list(dict.fromkeys((planned.model, planned.protocol) for planned in self._selected))

    def _dimensions(self, model: str, protocol: ProtocolName) -> list[str]:
        """Return the names of the dimensions needed by the selected demands."""
        needed = map(self.dimensions_of, self.selected(model, protocol))
        return list(dict.fromkeys(name for names in needed for name in names))

    def _label(self, key: tuple[str, ProtocolName]) -> str:
        """Return model and protocol for the beginning of names, if there are several."""
        choices = zip(*self.models_and_protocols(), strict=True)  # all models, then all protocols
        return "".join(f"{name}: " for name, names in zip(key, choices, strict=False) if len(set(names)) > 1)

    def _labelled_progress(self, key: tuple[str, ProtocolName]) -> Progress | None:
        progress, label = self.progress, self._label(key)
        if progress is None or not label:
            return progress
        return lambda step: progress(replace(step, view=f"{label}{step.view}"))

    def _labelled_finished(self, key: tuple[str, ProtocolName]) -> Finished | None:
        finished, label = self.finished, self._label(key)
        if finished is None or not label:
            return finished
        return lambda name, images: finished(f"{label}{name}", images)

    @cached_property
    def baseline(self) -> StoredRun | None:
        """The stored run named by `--quba-baseline`, if any.

        Raises:
            UserError: it cannot be read.
        """
        path = self.options.baseline
        if path is None:
            return None
        shown = shown_path(path, self.root)
        record, self.baseline_digest = read_record_and_digest(path, f"--quba-baseline: {shown}")
        return stored_run(path, shown, record, self.store_place)
