"""The actor of Ray that predicts shards with one model at a time."""

from __future__ import annotations

import gc
import importlib.metadata
import os
import socket
import sys
import threading
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from quba_check.errors import OptionError, QubaError
from quba_check.models.process_setup import set_up_process
from quba_check.storage.locations import temporary_folder

if TYPE_CHECKING:
    from quba_check.core.view import View
    from quba_check.engine.shards import ShardRequest, ShardResult
    from quba_check.executors.remote_worker import RemoteWorker, WorkerSpec
    from quba_check.models.compute import ComputeSettings
    from quba_check.storage.shard import ShardKey


@dataclass(frozen=True, slots=True)
class WorkerEnvironment:
    """The process of the run, as far as workers reproduce it.

    Attributes:
        version: version of quba-check.
        folder: working folder, from which relative paths are read, on machines that have it.
        import_paths: folders of the user's modules.
    """

    version: str
    folder: str
    import_paths: tuple[str, ...]

    @classmethod
    def of_this_process(cls) -> WorkerEnvironment:
        """Return the environment of this process."""
        installed = (sys.prefix, sys.base_prefix)
        own = [path for path in sys.path if not path.startswith(installed) and "site-packages" not in path]
        paths = [str(Path(path or ".").resolve()) for path in own]
        return cls(installed_version(), str(Path.cwd()), tuple(dict.fromkeys(paths)))


class Machine(NamedTuple):
    """The machine and the process of a worker.

    Attributes:
        node: Ray's identifier of the machine.
        host: name of the machine.
        pid: process number of the worker.
    """

    node: str
    host: str
    pid: int


class RayWorker:
    """An actor of Ray, which predicts shards with one model at a time.

    Errors for the user are returned, not raised, since Ray wraps raised ones with a traceback of the worker.

    Args:
        environment: the process of the run.
        cores: number of cores for this worker.
    """

    def __init__(self, environment: WorkerEnvironment, cores: int) -> None:
        set_up_process()
        self._environment = environment
        self._cores = cores
        self._lock = threading.Lock()
        self._key = ""
        self._worker: RemoteWorker | None = None
        self._refusal: QubaError | None = None
        self._changed: defaultdict[str, list[ShardKey]] = defaultdict(list)
        folder = environment.folder
        paths = environment.import_paths
        if Path(folder).is_dir():
            os.chdir(folder)
        sys.path += [path for path in paths if path not in sys.path and Path(path).is_dir()]

    def machine(self) -> Machine | QubaError:
        """Return the machine of this worker, an error for another version of quba-check."""
        import ray

        host = socket.gethostname()
        ours = installed_version()
        there = self._environment.version
        if ours != there:
            return OptionError(
                f"worker on {host}: quba-check is {ours}, but {there} where the run was started. Install "
                f"quba-check {there} there."
            )
        return Machine(ray.get_runtime_context().get_node_id(), host, os.getpid())

    def choose_compute(self, spec: WorkerSpec, view: View) -> ComputeSettings | QubaError:
        """Return the settings of passes over a view chosen on this device."""
        try:
            with self._lock:
                return self._loaded(spec).choose_compute(view)
        except QubaError as error:
            return error

    def predict(self, spec: WorkerSpec, request: ShardRequest) -> ShardResult | QubaError:
        """Predict a shard; the result leaves its examples out."""
        try:
            with self._lock:
                answer = self._loaded(spec).submit(request)
            result = answer.result()
        except QubaError as error:
            return error
        return replace(result, request=replace(request, examples=(), fast_images=()))

    def changed(self, key: str) -> list[ShardKey]:
        """Return the shards of a model since the last call if the model changed.

        Args:
            key: see `WorkerSpec.key`.
        """
        with self._lock:
            if key == self._key and self._worker is not None:
                self._changed[key] += self._worker.changed()
            return self._changed.pop(key, [])

    def _loaded(self, spec: WorkerSpec) -> RemoteWorker:
        """Return the worker of a model, loaded in place of the present one if necessary.

        Raises:
            QubaError: the model cannot be loaded or is another one here.
        """
        import torch

        from quba_check.executors.remote_worker import RemoteWorker

        if spec.key != self._key:
            if self._worker is not None:
                self._changed[self._key] += self._worker.close()
            self._key = spec.key
            self._worker = None
            self._refusal = None
            gc.collect()
            torch.cuda.empty_cache()
        if self._refusal is not None:
            raise self._refusal
        if self._worker is None:
            try:
                self._worker = RemoteWorker(spec, temporary_folder(), self._cores)
            except QubaError as error:
                self._refusal = error
                raise
        return self._worker


def installed_version() -> str:
    """Return the version of quba-check in this process."""
    return importlib.metadata.version("quba-check")
