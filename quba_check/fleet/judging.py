"""The models of a fleet, judged several at once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from quba_check.errors import ModelError, OptionError
from quba_check.fleet.command import FleetOptions, arguments, settings
from quba_check.fleet.model_list import ListedModel
from quba_check.fleet.process import ModelProcess
from quba_check.fleet.result import ModelResult, ModelState, result_of
from quba_check.fleet.state import remove_results, reusable_result, write_state
from quba_check.models.specs import parse_spec
from quba_check.storage.user_files import reason

GRACE_SECONDS = 20.0
"""Time that interrupted processes have to write what they know."""
LOCK = ".fleet.lock"


@dataclass(frozen=True, slots=True)
class Running:
    """A model that is being judged.

    Attributes:
        model: the model.
        folder: the folder of its files.
        process: its process.
        share: its share of the machine, as variables of the environment.
    """

    model: ListedModel
    folder: Path
    process: ModelProcess
    share: Mapping[str, str]


class Fleet:
    """The models of a fleet and their processes.

    Args:
        models: the models of the list.
        options: options of all of them.
        folder: parent of the models' folders.
        shares: further variables of the environment for each process that runs at once.

    Attributes:
        waiting: models to start; empty before `known_results`.
        running: models that are being judged, by the ends of their processes.
    """

    def __init__(
        self,
        models: Sequence[ListedModel],
        options: FleetOptions,
        folder: Path,
        shares: Sequence[Mapping[str, str]] = ({},),
    ) -> None:
        self._models = models
        self._options = options
        self._folder = folder
        self._shares = shares
        self.waiting: list[ListedModel] = []
        self.running: dict[Future[None], Running] = {}

    def known_results(self) -> Iterator[ModelResult]:
        """Yield the results of models that are not started, and queue the others.

        These are models that an earlier fleet judged, and specs that name no model.
        """
        for model in self._models:
            folder, options = self._folder / model.name, self._options
            try:
                spec = parse_spec(model.text)
            except ModelError as error:
                yield ModelResult(model.name, model.text, folder, problem=str(error))
                continue
            result = reusable_result(model.name, spec, folder, settings(model, options), options.files)
            if result is not None:
                yield result
            else:
                self.waiting.append(model)

    def run(self, started: Callable[[Running], None] = lambda _: None) -> Generator[ModelResult, None, None]:
        """Judge the waiting models, and yield each result once its process ended.

        Closing the generator ends the running processes. Their models can be judged by a later fleet.

        Args:
            started: called after the start of a process.

        Raises:
            UserError: a file in a model's folder cannot be written.
        """
        shares = list(self._shares)
        with ThreadPoolExecutor(len(shares)) as threads:
            try:
                while self.waiting or self.running:
                    while self.waiting and shares:
                        model = self.waiting.pop(0)
                        folder = self._folder / model.name
                        remove_results(folder)
                        try:
                            words = arguments(model, self._options, folder)
                            process = ModelProcess(words, folder, shares[0])
                        except OSError as error:
                            problem = f"its process cannot be started ({reason(error)})"
                            yield ModelResult(model.name, model.text, folder, problem=problem)
                        else:
                            one = Running(model, folder, process, shares.pop(0))
                            self.running[threads.submit(process.wait)] = one
                            started(one)
                    for end in wait(self.running, return_when=FIRST_COMPLETED).done:
                        one = self.running.pop(end)
                        shares.append(one.share)
                        yield self._result(one)
            finally:
                self._end_processes()

    def _result(self, one: Running) -> ModelResult:
        """Return the result of a process that ended; write its state if judged."""
        state = ModelState(
            settings=settings(one.model, self._options),
            seconds=one.process.seconds,
            exit_code=int(one.process.exit_code or 0),
            problem=one.process.problem(),
        )
        result = result_of(one.model.name, one.model.text, one.folder, state)
        if result.has_verdict:
            write_state(state, one.folder)
        return result

    def _end_processes(self) -> None:
        """Interrupt the running processes, and kill those that do not end in time."""
        try:
            for one in self.running.values():
                one.process.interrupt()
            wait(self.running, GRACE_SECONDS)
        finally:
            for one in self.running.values():
                one.process.kill()


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
