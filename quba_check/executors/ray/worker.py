"""The actor of Ray that predicts shards with one model at a time."""

from __future__ import annotations

import gc
import importlib.metadata
import os
import socket
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from quba_check.errors import ModelError, QubaError
from quba_check.executors.scratch import scratch_folder
from quba_check.models.process_setup import set_up_process

if TYPE_CHECKING:
    from quba_check.engine.order import Order, Predicted
    from quba_check.executors.recipe import Recipe
    from quba_check.executors.remote_worker import RemoteWorker
    from quba_check.models.compute import ComputeSettings


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The process of the run, as far as workers reproduce it.

    Attributes:
        version: version of quba-check.
        folder: working folder, from which relative paths are read; empty to leave a worker's own.
        import_paths: folders of the user's modules.
    """

    version: str
    folder: str
    import_paths: tuple[str, ...]

    @classmethod
    def of_this_process(cls, *, has_working_dir: bool) -> Surroundings:
        """Return the surroundings of this process.

        Args:
            has_working_dir: the `runtime_env` of the user sets the working folder.
        """
        installed = (sys.prefix, sys.base_prefix)
        own = [path for path in sys.path if not path.startswith(installed) and "site-packages" not in path]
        paths = [str(Path(path or ".").resolve()) for path in own]
        folder = "" if has_working_dir else str(Path.cwd())
        return cls(installed_version(), folder, tuple(dict.fromkeys(paths)))


@dataclass(frozen=True, slots=True)
class Machine:
    """The place of a worker.

    Attributes:
        node: Ray's identifier of the machine.
        host: name of the machine.
        pid: process number of the worker.
    """

    node: str
    host: str
    pid: int

    def __str__(self) -> str:
        return f"{self.host}, process {self.pid}"


class RayWorker:
    """An actor of Ray, which predicts the orders of one recipe after another.

    Errors for the user are returned, not raised, since Ray wraps raised ones with a traceback of the worker.

    Args:
        surroundings: the process of the run.
    """

    def __init__(self, surroundings: Surroundings) -> None:
        set_up_process()
        self._surroundings = surroundings
        self._worker: RemoteWorker | None = None
        self._is_changed = False
        if surroundings.folder and Path(surroundings.folder).is_dir():
            os.chdir(surroundings.folder)
        sys.path += [
            path for path in surroundings.import_paths if path not in sys.path and Path(path).is_dir()
        ]

    def machine(self) -> Machine | QubaError:
        """Return the place of this worker, an error for another version of quba-check."""
        import ray

        host, ours = socket.gethostname(), installed_version()
        if ours != self._surroundings.version:
            there = self._surroundings.version
            return ModelError(
                f"worker on {host}: quba-check is {ours}, but {there} where the run was started. Install "
                f"quba-check {there} there."
            )
        return Machine(ray.get_runtime_context().get_node_id(), host, os.getpid())

    def load(self, recipe: Recipe, cores: int) -> bool | QubaError:
        """Load a model in place of the present one.

        Args:
            recipe: the model and its images.
            cores: number of cores for this worker.

        Returns:
            True if the present model had changed; an error if the model cannot be loaded or is another one.
        """
        from quba_check.executors.remote_worker import RemoteWorker

        changed = self._worker is not None and self.is_changed()
        self._release()
        try:
            self._worker = RemoteWorker(recipe, scratch_folder(), cores)
        except QubaError as error:
            return error
        return changed

    def choose_compute(self) -> ComputeSettings | QubaError:
        """Return the settings of passes chosen on this device."""
        try:
            return self._loaded.choose_compute()
        except QubaError as error:
            return error

    def predict(self, order: Order) -> Predicted | QubaError:
        """Predict an order of the recipe; the answer leaves its examples out."""
        try:
            predicted = self._loaded.predict(order)
        except QubaError as error:
            return error
        return replace(predicted, order=replace(order, examples=(), fast_images=()))

    def is_changed(self) -> bool:
        """Return True if the model changed since it was loaded."""
        self._is_changed = self._loaded.is_changed() or self._is_changed
        return self._is_changed

    @property
    def _loaded(self) -> RemoteWorker:
        """The worker of the loaded model."""
        if self._worker is None:
            raise RuntimeError("no model was loaded")
        return self._worker

    def _release(self) -> None:
        """Release the present model and its memory."""
        import torch

        if self._worker is None:
            return
        self._worker.close()
        self._worker, self._is_changed = None, False
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def installed_version() -> str:
    """Return the version of quba-check in this process."""
    return importlib.metadata.version("quba-check")
