"""The loaded models of a gate run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from quba_check.core.protocols import ProtocolName
from quba_check.core.view import CLEAN_SET, REFERENCE
from quba_check.errors import ModelError, OptionError, UserError
from quba_check.gate.threshold_files import distinct_label
from quba_check.models.choices import PROVIDERS
from quba_check.models.parsing import parse_spec
from quba_check.models.preprocessing.config import PreprocessingConfig, fallback_config
from quba_check.models.process_setup import without_garbage_collection
from quba_check.models.request import LoadRequest
from quba_check.models.specs import ModelSpec
from quba_check.records.recorded_answers import RecordedAnswers

if TYPE_CHECKING:
    from quba_check.core.work import Progress
    from quba_check.evaluation import Evaluation
    from quba_check.executors.remote_worker import WorkerPool
    from quba_check.gate.baseline import SessionBaseline
    from quba_check.gate.options import Options
    from quba_check.storage.store import Store
    from quba_check.suites.suite import Suite

Key = tuple[str, ProtocolName]
"""Name and protocol of a model, which identify its evaluation."""


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Functions that a session calls while it works.

    Attributes:
        progress: called while images are predicted.
        announce: called with each step that precedes predictions.
        show_step: called with the parts of such a step, which a log does not print.
        imported: called once the run has imported torch.
    """

    progress: Progress = lambda _: None
    announce: Callable[[str], None] = lambda _: None
    show_step: Callable[[str], None] = lambda _: None
    imported: Callable[[], None] = lambda: None


@dataclass(eq=False)
class LoadedModels:
    """The models of a gate run and their reference, each loaded once for both protocols.

    Attributes:
        options: the options of the run.
        request: how models are loaded.
        callbacks: functions that show the progress.
        reference_spec: the model of `--quba-reference`; None without one.
        suite: returns the suite.
        store: returns the prediction store, opened at the first call.
        approved: returns the baseline of the run.
        evaluations: by name and protocol of the model.
        references: those of `--quba-reference`, by protocol.
    """

    options: Options
    request: LoadRequest
    callbacks: Callbacks
    reference_spec: ModelSpec | None
    suite: Callable[[], Suite]
    store: Callable[[], Store]
    approved: Callable[[], SessionBaseline]
    evaluations: dict[Key, Evaluation] = field(default_factory=dict)
    references: dict[ProtocolName, Evaluation] = field(default_factory=dict)

    def load(self, spec: ModelSpec, key: Key, keys: Sequence[Key]) -> None:
        """Load a model, and the reference if it is not loaded yet.

        Args:
            spec: the model.
            key: its name and protocol.
            keys: those of all models of the run, which names in the progress distinguish.
        """
        model, protocol = key
        reference = self.reference(protocol, keys)
        loaded = next(
            (evaluation for (name, _), evaluation in self.evaluations.items() if name == model), None
        )
        evaluation = self._load(spec, key, loaded, keys)
        self.approved().check_images(evaluation)
        evaluation.reference = reference or self._recorded_answers
        self.evaluations[key] = evaluation

    def reference(self, protocol: ProtocolName, keys: Sequence[Key] = ()) -> Evaluation | None:
        """Return the evaluation of `--quba-reference`, loaded at the first call; None without one."""
        spec = self.reference_spec
        key = (REFERENCE, protocol)
        if spec is not None and protocol not in self.references:
            loaded = next(iter(self.references.values()), None)
            self.references[protocol] = self._load(spec, key, loaded, [*keys, key])
        return self.references.get(protocol)

    def _fallback(self, key: Key) -> PreprocessingConfig | None:
        """Return the preprocessing of the reference or the baseline, for models that state none."""
        name, protocol = key
        if name == REFERENCE:
            return None
        reference = self.references.get(protocol)
        if reference is not None:
            return fallback_config(reference.row.preprocessing, f"the reference {reference.row.spec}")
        run = self.approved().run
        if run is None:
            return None
        return fallback_config(run.record.model.preprocessing, f"the baseline {run.file}")

    @cached_property
    def _recorded_answers(self) -> RecordedAnswers | None:
        """The answers of the baseline; None without a baseline."""
        run = self.approved().run
        if run is None:
            return None
        content = run.record.suite.contents.get(CLEAN_SET)
        try:
            return RecordedAnswers(run.file, run.clean_answers(), content)
        except UserError as error:
            return RecordedAnswers(run.file, None, content, str(error))

    @without_garbage_collection()
    def _load(self, spec: ModelSpec, key: Key, loaded: Evaluation | None, keys: Sequence[Key]) -> Evaluation:
        """Return an evaluation of a model, which is loaded unless another protocol did.

        The store and the executor are opened before, since loading can take minutes.
        """
        store = self.store()
        announce = self.callbacks.announce
        is_first = "torch" not in sys.modules
        if is_first:
            announce("loading torch")
        workers = self.worker_pool
        from quba_check.engine.batching import BatchSettings
        from quba_check.evaluation import Evaluation, RunSettings

        if is_first:
            self.callbacks.imported()
        options = self.options
        request = self.request
        if key[0] == REFERENCE and not spec.kind.takes_provider and request.device in PROVIDERS:
            request = replace(request, device="auto")  # a provider of onnxruntime is for the export alone
        if not spec.kind.takes_architecture:
            request = replace(request, arch=None)
        if loaded is None:
            announce(f"loading {'the reference' if key[0] == REFERENCE else 'model'} {spec.name}")
        return Evaluation(
            spec.text if loaded is None else loaded.classifier,
            self.suite(),
            request=replace(request, fallback=self._fallback(key)),
            protocol=key[1],
            store=store,
            run=RunSettings(
                BatchSettings(options.batch_size, options.threads, options.cache_gb),
                self._labelled(key, keys),
                workers=workers,
                plan=options.plan,
            ),
        )

    @cached_property
    def worker_pool(self) -> WorkerPool | None:
        """The workers of `--quba-executor`; None for this process."""
        executor = self.options.executor_choice
        return None if executor is None else executor.open()

    def close(self) -> None:
        """End the workers of `--quba-executor`."""
        for evaluation in self.evaluations.values():
            evaluation.stop()
        workers = self.__dict__.get("worker_pool")
        if workers is not None:
            workers.close()

    def _labelled(self, key: Key, keys: Sequence[Key]) -> Progress:
        """Return the callback of an evaluation; with several, names begin with model and protocol."""
        label = distinct_label(key, keys)
        callbacks = self.callbacks
        return lambda step: callbacks.progress(replace(step, view=f"{label}{step.view}"))


def reference_spec(text: str | None) -> ModelSpec | None:
    """Return the model of `--quba-reference`; None without one.

    Raises:
        OptionError: it is no model spec.
    """
    try:
        return None if text is None else parse_spec(text)
    except ModelError as error:
        raise OptionError(f"{error}", where="--quba-reference") from None
