"""A gate run: its models, suite and threshold files. Knows no pytest; the plugin hands it options."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quba_check.comparison.stored_run import StoredRun, stored_run
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.grade import Grade
from quba_check.core.protocols import ProtocolName
from quba_check.demands.demand import Demand, Thresholds
from quba_check.demands.profiles import DEMO_THRESHOLDS, display_name, find_thresholds, shipped_profiles
from quba_check.demands.reading import read_thresholds
from quba_check.demo import DEMO_MODELS
from quba_check.errors import InvariantError, OptionError, ThresholdError, listed
from quba_check.gate.early_stopping import check_goes_together
from quba_check.gate.options import Options
from quba_check.grading import population
from quba_check.models.preprocessing.file import read_preprocessing
from quba_check.models.request import LoadRequest
from quba_check.models.specs import check_takes_architecture, models_by_name
from quba_check.records.files import read_record
from quba_check.storage.user_files import file_kind
from quba_check.verdicts.derived import unreachable_grade_of

if TYPE_CHECKING:
    from quba_check.engine.progress import Finished, Progress
    from quba_check.evaluation import Evaluation
    from quba_check.models.classifier import Classifier
    from quba_check.suites.suite import Suite


class GateSession:
    """The models, the suite and the threshold files of a run.

    Args:
        options: what was asked for.
        root: folder to which shown paths are relative.
        worker: number of this process among several, None where it is the only one.

    Attributes:
        models: specs by name.
        files: the threshold files that are judged by, in the order of the command line.
        progress: called while images are predicted; set it before the first evaluation.
        finished: called for every set that is complete, likewise.
        announce: called with each step that precedes predictions.
        notes: remarks on a model for its records, by its name.
        preprocessing: what `--quba-preprocessing` states.
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
        self.models = models_by_name(options.models)
        self.files: tuple[Path, ...] = ()
        self.notes: dict[str, list[str]] = {}
        self._root = root
        self._worker = worker
        self.progress: Progress | None = None
        self.finished: Finished | None = None
        self.announce: Callable[[str], None] = lambda _: None
        self._thresholds: dict[Path, Thresholds] = {}
        self._classifiers: dict[str, Classifier] = {}
        self._evaluations: dict[tuple[str, ProtocolName], Evaluation] = {}
        self._unreachable: dict[tuple[str, Path], Grade | None] = {}
        self._blocking: dict[tuple[str, Path], list[Demand]] = {}
        self._selected: dict[tuple[str, ProtocolName], list[tuple[Thresholds, Demand]]] = {}
        demos = [spec for spec in options.models if spec in DEMO_MODELS]
        if demos and len(demos) < len(options.models):
            other = next(spec for spec in options.models if spec not in DEMO_MODELS)
            raise OptionError(
                f"--model: '{demos[0]}' brings its own images and thresholds; it cannot be judged together "
                f"with '{other}'. Use two runs."
            )
        if demos and options.data is not None and not options.data_is_default:
            raise OptionError(
                f"--quba-data: got '{self.shown(options.data)}', but '{demos[0]}' brings its own images. "
                "Allowed: a data folder for any other model. Leave the option out, or name another model."
            )
        self.is_demo = bool(demos)
        if options.arch is not None:
            check_takes_architecture(options.arch, list(self.models.values()))
        # Read here, so that mistakes in it end the run before torch is loaded.
        self.preprocessing = (
            None
            if options.preprocessing is None
            else read_preprocessing(options.preprocessing, self.shown(options.preprocessing))
        )

    def default_files(self) -> list[Path]:
        """The threshold files of a run that names none on the command line."""
        if self.options.thresholds:
            return [find_thresholds(text, self._root) for text in self.options.thresholds]
        if self.is_demo:
            return [DEMO_THRESHOLDS]
        own = self._root / "thresholds" / "default.yaml"
        is_there = file_kind(own, str(own), ThresholdError) is not None
        return [own if is_there else shipped_profiles()["default"]]

    def shown(self, path: Path) -> str:
        """How a threshold file is called in ids and messages; what is shown can be typed."""
        if path.is_relative_to(self._root) and not self.is_shipped(path):
            return path.relative_to(self._root).as_posix()
        return display_name(path)

    def is_shipped(self, path: Path) -> bool:
        """Whether a threshold file is one of the installed package, not of a checkout that is worked in."""
        inside = path.is_relative_to(self._root) and "site-packages" not in path.parts
        return not inside and display_name(path) != str(path)

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
        from quba_check.storage.store import default_root

        return self.options.store or default_root()

    @cached_property
    def suite(self) -> Suite:
        """The images, as far as the manifest tells."""
        from quba_check.suites.opening import find_suite
        from quba_check.suites.sampling import SubsetSampler

        if self.is_demo:
            from quba_check.demo.suite import is_drawn

            if not is_drawn(self.store):
                self.announce("drawing the images of the demo")
        draw = SubsetSampler(self.options.limit, self.options.seed, shuffled=self.options.early_stop)
        return find_suite("demo" if self.is_demo else self.options.data, self.store, draw)

    def plan(self, demands: Iterable[tuple[str, Thresholds, Demand]]) -> None:
        """Say which demands (model name, file, demand) will be judged, so that their views share passes."""
        self._blocking, self._selected = {}, {}
        for model, thresholds, demand in demands:
            if demand.tier == "block":
                self._blocking.setdefault((model, thresholds.path), []).append(demand)
            key = model, self.protocol_of(thresholds)
            self._selected.setdefault(key, []).append((thresholds, demand))
        for key in self._selected:
            if key in self._evaluations:
                self._evaluations[key].plan(self._planned(*key))

    def selected(self, model: str, thresholds: Thresholds) -> Sequence[Demand]:
        """Return the planned demands with images to measure, on a model under a file's protocol."""
        planned = self._selected.get((model, self.protocol_of(thresholds)), ())
        return [demand for file, demand in planned if self.dimensions_of(model, file, demand)]

    def blocking(self, model: str, thresholds: Thresholds) -> Sequence[Demand]:
        """The planned demands of a file on a model that can keep it from being released."""
        return self._blocking.get((model, thresholds.path), ())

    def dimensions_of(self, model: str, thresholds: Thresholds, demand: Demand) -> tuple[str, ...]:
        """Return the dimensions measured for a demand; none for an unreachable grade."""
        is_unreachable = demand.is_on_grade and self.unreachable_grade(model, thresholds)
        return () if is_unreachable else demand.dimensions

    def unreachable_grade(self, model: str, thresholds: Thresholds) -> Grade | None:
        """Return the grade of a model if no values give a letter, else None."""
        key = model, thresholds.path
        if key not in self._unreachable:
            evaluation = self.evaluation(model, self.protocol_of(thresholds))
            obstacles = evaluation.obstacles(PUBLISHED_DIMENSIONS).items()
            reasons = {name: known.reason for name, known in obstacles}
            facts = self.suite.facts
            self._unreachable[key] = unreachable_grade_of(
                thresholds, reasons, suite=facts.name, classes=facts.class_count
            )
        return self._unreachable[key]

    def _planned(self, model: str, protocol: ProtocolName) -> list[str]:
        """Return the names of the dimensions needed by the planned demands."""
        planned = self._selected.get((model, protocol), ())
        needed = (self.dimensions_of(model, thresholds, demand) for thresholds, demand in planned)
        return list(dict.fromkeys(name for names in needed for name in names))

    def check(self, demands: Iterable[tuple[str, Thresholds, Demand]]) -> None:
        """Load every model and show it its first images, before the long work starts.

        Where a guard finds that these answers would be wrong, each demand that needs them will say so.

        Raises:
            UserError: a model, its answers, or the data cannot be used.
        """
        self.plan(demands)
        for model, protocol in self._selected:
            with contextlib.suppress(InvariantError):
                self.evaluation(model, protocol).check()

    def evaluation(self, model: str, protocol: ProtocolName) -> Evaluation:
        """The evaluation of a model under a protocol; the model is loaded once for both."""
        if "torch" not in sys.modules:
            self.announce("loading torch")
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
                trust_pickle=options.trust_pickle,
                worker=self._worker,
                cache=self.store,
                progress=self._tell,
            )
            self._classifiers[model] = load_classifier(spec, request)
        key = model, protocol
        if key not in self._evaluations:
            self._evaluations[key] = Evaluation(
                self._classifiers[model],
                self.suite,
                protocol=protocol,
                seed=options.seed,
                store=self.store,
                batch_settings=BatchSettings(options.batch_size, options.workers),
                progress=self._labelled(self.progress, key),
                finished=self._labelled(self.finished, key),
            )
            self._evaluations[key].plan(self._planned(*key))
        return self._evaluations[key]

    def _labelled(self, callback: Callable[..., None] | None, key: tuple[str, ProtocolName]) -> Any:
        """Return a callback with model and protocol before names, if there are several."""
        several = [len({other[part] for other in self._selected}) > 1 for part in (0, 1)]
        label = "".join(f"{name}: " for name, is_needed in zip(key, several, strict=True) if is_needed)
        if callback is None or not label:
            return callback
        return lambda name, *rest: callback(f"{label}{name}", *rest)

    def _tell(self, words: str) -> None:
        """Say on the progress line what is being done before images are."""
        if self.progress is not None:
            self.progress(words, 0, 0, 0.0, lambda: 0)

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
        return stored_run(path, shown, read_record(path, f"--quba-baseline: {shown}"), self.store)

    @property
    def baseline_notes(self) -> tuple[str, ...]:
        """What reports say of the baseline: that it fails its own demands, or that no demand needs it."""
        if self.baseline is None:
            return ()
        if not any(demand.needs_baseline for read in self._thresholds.values() for demand in read.demands):
            nothing = "no demand says max_drop or max_relative_drop"
            return (f"the baseline {self.baseline.file} has no part in this run: {nothing}",)
        if not self.baseline.failed_demands:
            return ()
        failed = listed(self.baseline.failed_demands)
        return (f"the baseline {self.baseline.file} fails its own demands: {failed}",)
