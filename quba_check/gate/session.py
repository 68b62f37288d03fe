"""A gate session: models, suite and threshold files, without pytest."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, InitVar, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.grade import Grade
from quba_check.core.protocols import ProtocolName
from quba_check.demands.demand import Thresholds
from quba_check.demands.reading import read_thresholds
from quba_check.dimensions import registry
from quba_check.errors import InvariantError
from quba_check.gate.baseline import SessionBaseline
from quba_check.gate.models import Callbacks, LoadedModels, reference_spec
from quba_check.gate.options import Options
from quba_check.gate.threshold_files import (
    PlannedDemand,
    check_thresholds,
    is_demo_run,
    plan_demands,
    shown_path,
)
from quba_check.models.parsing import check_takes_architecture, models_by_name
from quba_check.models.preprocessing.file import read_preprocessing
from quba_check.models.process_setup import set_up_process
from quba_check.storage.locations import local_folder
from quba_check.storage.shard import utc_time
from quba_check.verdicts.evidence import unreachable_grade_of

if TYPE_CHECKING:
    from quba_check.doctor.examination import Examination
    from quba_check.evaluation import Evaluation
    from quba_check.storage.store import Store
    from quba_check.suites.suite import Suite


@dataclass(eq=False)
class GateSession:
    """The models, the suite and the threshold files of one gate run.

    Args:
        options: the options of the run.
        root: folder to which shown paths are relative.
        files: the threshold files to check, in the order of the command line.
        command: words of the command line for records.
        callbacks: functions that show the progress.
        worker: number of this process among several, None if it is the only one.
        started: start of the run in seconds since 1970. An older listing of a remote data folder is not used.

    Attributes:
        models: specs by the name of the model.
        request: how models are loaded.
        is_demo: True if the models bring their own suite and thresholds.
        store: folder of the prediction store on this machine.
        evaluations: the loaded models by name and protocol; both protocols share a model.
        examinations: by the doctor before the run, by the name of the model.

    Raises:
        UserError: options that exclude each other.
    """

    options: Options
    root: Path
    _: KW_ONLY
    files: tuple[Path, ...] = ()
    command: tuple[str, ...] = ()
    callbacks: Callbacks = field(default_factory=Callbacks)
    worker: InitVar[int | None] = None
    started: float = field(default_factory=time.time)

    def __post_init__(self, worker: int | None) -> None:
        set_up_process()
        registry.load_entry_points()
        options = self.options
        root = self.root
        self.models = models_by_name(options.models)
        self.is_demo = is_demo_run(options, root)
        reference = reference_spec(options.reference)
        if options.request.arch is not None:
            specs = [*self.models.values(), *filter(None, [reference])]
            check_takes_architecture(options.request.arch, specs)
        # Files of options are read here, so that an invalid one ends the run before torch is loaded.
        path = options.preprocessing
        preprocessing = None if path is None else read_preprocessing(path, shown_path(path, root))
        self.request = replace(
            options.request,
            preprocessing=preprocessing,
            worker=worker,
            progress=self.callbacks.show_step,
            run_id=str(self.started),
        )
        self.store = local_folder(options.store_location)
        self.loaded = LoadedModels(
            options,
            self.request,
            self.callbacks,
            reference,
            suite=lambda: self.suite,
            store=lambda: self.opened_store,
            approved=lambda: self.approved,
        )
        self.examinations: dict[str, Examination] = {}
        self._thresholds: dict[Path, Thresholds] = {}
        self._checked: set[Path] = set()
        self._unreachable: dict[tuple[str, Path], Grade | None] = {}
        self._selected: tuple[PlannedDemand, ...] = ()

    @property
    def protocol(self) -> ProtocolName:
        """The protocol of threshold files that state none."""
        return self.options.protocol or "standard"

    def thresholds(self, path: Path) -> Thresholds:
        """Return the content of a threshold file, which is read once.

        Raises:
            ThresholdError: a mistake in the file.
            OptionError: the file and an option exclude each other.
            PopulationError: the population of the file cannot grade anything.
        """
        thresholds = self._read_thresholds(path)
        if path not in self._checked:
            check_thresholds(thresholds, self.options, self.approved.run)
            self._checked.add(path)
        return thresholds

    def _read_thresholds(self, path: Path) -> Thresholds:
        if path not in self._thresholds:
            label = shown_path(path, self.root)
            self._thresholds[path] = read_thresholds(path, label=label, suite=self.suite.facts)
        return self._thresholds[path]

    def check_files(self) -> None:
        """Read the threshold files and the baseline.

        Raises:
            UserError: one of them cannot be used.
        """
        self.approved.check(self.demands(self.files))

    def demands(self, files: Iterable[Path]) -> list[PlannedDemand]:
        """Return the demands of threshold files on each model."""
        return plan_demands(self.models, map(self.thresholds, files), self.protocol)

    @cached_property
    def opened_store(self) -> Store:
        """The prediction store, created if missing."""
        from quba_check.storage.opening import open_store

        store = open_store(self.options.store_location)
        store.run = utc_time(self.started)
        return store

    @cached_property
    def suite(self) -> Suite:
        """The labelled image sets; no image is read yet."""
        from quba_check.storage.data_copies import CopySettings
        from quba_check.suites.opening import find_suite
        from quba_check.suites.sampling import SubsetSampler

        if self.is_demo:
            from quba_check.demo.suite import is_drawn

            if not is_drawn(self.store):
                self.opened_store.close()  # one that is refused ends the run before the images are drawn
                self.callbacks.announce("drawing the images of the demo")
        options = self.options
        sampler = SubsetSampler(options.limit, options.seed)
        announce = self.callbacks.announce
        show_step = self.callbacks.show_step
        copies = CopySettings(self.started, announce=announce, show_step=show_step)
        return find_suite("demo" if self.is_demo else options.data, self.store, sampler, copies)

    def select(self, demands: Iterable[PlannedDemand]) -> None:
        """Set the demands to judge, so that views needed by several are predicted once."""
        self._selected = tuple(demands)
        for key in self.models_and_protocols():
            if key in self.loaded.evaluations:
                self._plan(key)

    def selected(self, model: str, protocol: ProtocolName) -> list[PlannedDemand]:
        """Return the selected demands on a model under a protocol."""
        return [planned for planned in self._selected if planned.key == (model, protocol)]

    def dimensions_of(self, planned: PlannedDemand) -> tuple[str, ...]:
        """Return the dimensions measured for a demand; none for an unreachable grade."""
        is_unreachable = planned.demand.is_on_grade and self.unreachable_grade(planned)
        return () if is_unreachable else planned.demand.dimensions

    def unreachable_grade(self, planned: PlannedDemand) -> Grade | None:
        """Return the grade of a demand's model if no values give a letter, else None."""
        key = planned.model, planned.thresholds.path
        if key not in self._unreachable:
            evaluation = self.evaluation(planned.model, planned.protocol)
            unmeasurable = evaluation.unmeasurable_reasons(PUBLISHED_DIMENSIONS)
            reasons = {name: outcome.reason for name, outcome in unmeasurable.items()}
            self._unreachable[key] = unreachable_grade_of(planned.thresholds, reasons, self.suite.facts)
        return self._unreachable[key]

    def check(self) -> None:
        """Load the models of selected demands, and predict their first images.

        Wrong outputs that a guard detects are reported by each demand that needs them.

        Raises:
            UserError: a model, its outputs, or the data cannot be used.
        """
        for model, protocol in self.models_and_protocols():
            with contextlib.suppress(InvariantError):
                self.evaluation(model, protocol).check()

    def check_calls(self) -> None:
        """Import the functions of serving pipelines with a selected demand, before a model is loaded.

        Raises:
            ModelError: one of them cannot be used.
        """
        for planned in self._selected:
            pipeline = planned.demand.request.pipeline
            if pipeline:
                from quba_check.models.preprocessing.serving import with_version

                with_version(self.suite.facts.serving[pipeline])

    def evaluation(self, model: str, protocol: ProtocolName) -> Evaluation:
        """Return the evaluation of a model, loaded and planned at the first call."""
        key = model, protocol
        if key not in self.loaded.evaluations:
            needs_fresh = (self._read_thresholds(path).needs_fresh for path in self.files)
            self.opened_store.is_fresh = self.options.fresh or any(needs_fresh)
            self.loaded.load(self.models[model], key, self.models_and_protocols())
            self._plan(key)
        return self.loaded.evaluations[key]

    def close(self) -> None:
        """End the workers of `--quba-executor`, and complete the writes of the store.

        Raises:
            StoreError: a file cannot be written.
        """
        self.loaded.close()
        store = self.__dict__.get("opened_store")
        if store is not None:
            store.close()

    def models_and_protocols(self) -> list[tuple[str, ProtocolName]]:
        """Return each model and protocol of the selected demands."""
        return list(dict.fromkeys(planned.key for planned in self._selected))

    def _plan(self, key: tuple[str, ProtocolName]) -> None:
        """Plan the dimensions needed by the selected demands on a model, and on its reference."""
        shown = ["classes"] if self.options.classes else []
        reference = self.loaded.references.get(key[1])
        if reference is not None and self.approved.run is None:
            of_all = (
                planned
                for planned in self._selected
                if planned.protocol == key[1] and planned.demand.is_comparative
            )
            self._plan_demands(reference, [planned for planned in of_all if planned.demand.needs_baseline])
        self._plan_demands(self.loaded.evaluations[key], self.selected(*key), shown)

    def _plan_demands(
        self, evaluation: Evaluation, demands: Sequence[PlannedDemand], others: Iterable[str] = ()
    ) -> None:
        names = [name for planned in demands for name in self.dimensions_of(planned)]
        requests = [request for planned in demands for request in planned.demand.requests]
        evaluation.plan(dict.fromkeys([*names, *others]), requests)

    @cached_property
    def approved(self) -> SessionBaseline:
        """The baseline as options and threshold files state it."""
        return SessionBaseline(self.options, self.root, [self._read_thresholds(path) for path in self.files])
