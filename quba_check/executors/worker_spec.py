"""Plain values from which any process loads the same model and images."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from quba_check.core.protocols import Protocol
from quba_check.engine.batching import BatchSettings, default_threads
from quba_check.engine.cache_keys import model_identity
from quba_check.engine.engine import Engine
from quba_check.engine.progress import Progress
from quba_check.errors import ModelError, OptionError
from quba_check.models.classifier import Classifier
from quba_check.models.loading import load_classifier
from quba_check.models.request import LoadRequest
from quba_check.storage.data_copies import CopySettings
from quba_check.storage.file_digests import ContentDigests
from quba_check.storage.locations import digests_file
from quba_check.storage.store import Store, content_hash
from quba_check.suites.opening import find_suite
from quba_check.suites.sampling import SubsetSampler
from quba_check.suites.suite import Suite


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """A model with its images and settings; it can be sent to other machines.

    Attributes:
        spec: the model, as given.
        request: how it is loaded.
        source: the suite, see `Suite.source`.
        sampler: selects the images of each set.
        protocol: settings of attacks, ties and cropping.
        seed: seed of random starts and generated corruptions.
        batch_settings: batch size and threads.
        identity: settings that identify the model where the run was started, see `model_identity`.
        copies: settings for copies of a data folder at a URL; None for other folders.
    """

    spec: str
    request: LoadRequest
    source: str
    sampler: SubsetSampler
    protocol: Protocol
    seed: int
    batch_settings: BatchSettings
    identity: Mapping[str, Any]
    copies: CopySettings | None = None

    @classmethod
    def of(
        cls, classifier: Classifier, suite: Suite, protocol: Protocol, seed: int, settings: BatchSettings
    ) -> WorkerSpec:
        """Return the values of a loaded model.

        Raises:
            OptionError: the model was not loaded from a spec.
        """
        if classifier.request is None:
            raise OptionError(
                f"--quba-executor: {classifier.spec} exists in this process alone; no worker can load it. "
                "Allowed: a model spec, such as package.module:callable."
            )
        request = replace(classifier.request, progress=None, cache=None, worker=None)
        identity, copies = model_identity(classifier), suite.folder.copies
        return cls(
            classifier.spec, request, suite.source, suite.sampler, protocol, seed, settings, identity, copies
        )

    @property
    def key(self) -> str:
        """Hash of the values, the same in all processes."""
        return content_hash([repr(self)])

    def engine(self, folder: Path, cores: int, progress: Progress | None = None) -> Engine:
        """Load the model and open the images.

        Args:
            folder: a folder of this machine for digests and prepared images.
            cores: cores of this process, from which the number of reading threads follows.
            progress: called after every pass of a batch.

        Raises:
            ModelError: the model or the libraries are others here.
            QubaError: the model or the suite cannot be used.
        """
        store = Store(folder)
        suite = find_suite(self.source, folder, self.sampler, self.copies)
        classifier = load_classifier(self.spec, replace(self.request, cache=folder))
        self._check(model_identity(classifier))
        settings = self.batch_settings
        if settings.threads is None:
            settings = replace(settings, threads=default_threads(classifier.device, cores))
        return Engine(
            classifier,
            suite,
            store,
            ContentDigests(digests_file(folder)),
            self.protocol,
            seed=self.seed,
            batch_settings=settings,
            progress=progress,
        )

    def _check(self, here: Mapping[str, Any]) -> None:
        """Check that this is the model of the run.

        Raises:
            ModelError: libraries, model or preprocessing differ, with both values.
        """
        there, differences = self.identity, []
        for name, version in here["libraries"].items():
            if version != there["libraries"][name]:
                differences.append(f"{name} is {version}, but {there['libraries'][name]}")
        differences += [f"its {name} is another than" for name in here if here[name] != there[name]]
        if differences:
            raise ModelError(
                f"worker on {socket.gethostname()}: {self.spec}: {differences[0]} where the run was started, "
                "so predictions may differ. Install the same libraries, and copy the same files."
            )
