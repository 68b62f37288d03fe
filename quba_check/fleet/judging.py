"""The models of a fleet, judged several at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from quba_check.errors import ModelError, OptionError
from quba_check.fleet.command import FleetOptions, arguments, environment_settings, settings
from quba_check.fleet.model_list import ListedModel
from quba_check.fleet.process import ModelProcess
from quba_check.fleet.result import ModelResult, read_records, result_of
from quba_check.fleet.state import ModelState, file_stamps, remove_results, reusable_result, write_state
from quba_check.models.specs import ModelSpec
from quba_check.storage.user_files import reason

POLL_SECONDS = 0.1
GRACE_SECONDS = 20.0
"""Time that interrupted processes have to write what they know."""
LOCK = ".fleet.lock"


@dataclass(frozen=True, slots=True)
class Running:
    """A model that is being judged.

    Attributes:
        model: the model.
        spec: its parsed spec.
        folder: the folder of its files.
        process: its process.
        place: number of its place among those that run at once, from 0.
        settings: what determined its verdict at the start, apart from its files.
    """

    model: ListedModel
    spec: ModelSpec
    folder: Path
    process: ModelProcess
    place: int
    settings: tuple[str, ...]


class Fleet:
    """The models of a fleet and their processes.

    Args:
        models: the models of the list.
        options: options of all of them.
        folder: parent of the models' folders.
        places: further variables of the environment for each process that runs at once.

    Attributes:
        waiting: models to start; empty before `known_results`.
        running: models that are being judged.
    """

    def __init__(
        self,
        models: Sequence[ListedModel],
        options: FleetOptions,
        folder: Path,
        places: Sequence[Mapping[str, str]] = ({},),
    ) -> None:
        self._models = models
        self._options = options
        self._folder = folder
        self._places = places
        self.waiting: list[tuple[ListedModel, ModelSpec]] = []
        self.running: list[Running] = []

    def known_results(self) -> Iterator[ModelResult]:
        """Yield the results of models that are not started, and queue the others.

        These are models that an earlier fleet judged, and specs that name no model.
        """
        for model in self._models:
            folder = self._folder / model.name
            try:
                spec = model.spec()
            except ModelError as error:
                yield ModelResult(model.name, model.text, folder, problem=str(error))
                continue
            result = reusable_result(model.name, spec, folder, self._settings(model), self._options.files)
            if result is not None:
                yield result
            else:
                self.waiting.append((model, spec))

    def run(
        self,
        started: Callable[[Running], None] = lambda _: None,
        watch: Callable[[Sequence[Running]], None] = lambda _: None,
    ) -> Generator[ModelResult, None, None]:
        """Judge the waiting models, and yield each result once its process ended.

        Closing the generator ends the running processes. Their models can be judged by a later fleet.

        Args:
            started: called after the start of a process.
            watch: called several times a second with the running models.

        Raises:
            UserError: a file in a model's folder cannot be written.
        """
        try:
            while self.waiting or self.running:
                while self.waiting and len(self.running) < len(self._places):
                    model, spec = self.waiting.pop(0)
                    try:
                        self.running.append(self._start(model, spec))
                    except OSError as error:
                        problem = f"its process cannot be started ({reason(error)})"
                        yield ModelResult(model.name, model.text, self._folder / model.name, problem=problem)
                    else:
                        started(self.running[-1])
                watch(self.running)
                ended = [one for one in self.running if one.process.exit_code is not None]
                for one in ended:
                    self.running.remove(one)
                    yield self._result(one)
                if not ended:
                    time.sleep(POLL_SECONDS)
        finally:
            self._end_processes()

    def _settings(self, model: ListedModel) -> tuple[str, ...]:
        return (*environment_settings(self._options), *settings(model, self._options))

    def _start(self, model: ListedModel, spec: ModelSpec) -> Running:
        folder = self._folder / model.name
        remove_results(folder)
        used = {one.place for one in self.running}
        place = next(number for number in range(len(self._places)) if number not in used)
        at_start = self._settings(model)
        words = arguments(model, self._options, folder)
        process = ModelProcess(words, folder, self._places[place])
        return Running(model, spec, folder, process, place, at_start)

    def _result(self, one: Running) -> ModelResult:
        """Return the result of a process that ended; write its state if judged."""
        one.process.close()
        code, seconds = int(one.process.exit_code or 0), one.process.seconds
        problem = one.process.problem()
        result = result_of(one.model.name, one.model.text, one.folder, code, seconds, problem)
        if result.has_verdict:
            state = ModelState(
                model=one.model.text,
                settings=one.settings,
                started=one.process.started,
                seconds=seconds,
                exit_code=code,
                problem=problem,
                files=file_stamps(one.spec, read_records(one.folder)),
            )
            write_state(state, one.folder)
        return result

    def _end_processes(self) -> None:
        """Interrupt the running processes, and kill those that do not end in time."""
        try:
            for one in self.running:
                one.process.interrupt()
            end = time.monotonic() + GRACE_SECONDS
            while time.monotonic() < end and any(one.process.exit_code is None for one in self.running):
                time.sleep(POLL_SECONDS)
        finally:
            for one in self.running:
                one.process.kill()
                one.process.close()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a second fleet out of a folder, which is created if missing.

    Raises:
        OptionError: another fleet uses it, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK, timeout=0)
        lock.acquire()
    except Timeout:
        raise OptionError(
            f"quba-check fleet: --out: '{folder}' is in use by another fleet. "
            "Allowed: the folder of a fleet that ended, or another one."
        ) from None
    except OSError as error:
        raise OptionError(
            f"quba-check fleet: --out: '{folder}' cannot be written ({reason(error)}). "
            "Allowed: a folder that you may write to."
        ) from None
    try:
        yield
    finally:
        lock.release()
