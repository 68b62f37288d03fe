"""A loaded model with its images, which predicts shards.

It is the executor of this process, and the far end of every other.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from itertools import chain, groupby
from operator import itemgetter

import numpy as np
import torch
from torch import Tensor

from quba_check.core.classes import LabelSpace
from quba_check.core.view import CLEAN, View
from quba_check.engine.attacks import start_noise
from quba_check.engine.batching import (
    READ_AHEAD,
    BatchSettings,
    BatchTensors,
    ImageStream,
    batches,
    default_threads,
)
from quba_check.engine.cache_keys import CacheKeys
from quba_check.engine.compute_choice import checked_runtime, checked_settings, half_precisions, noise_floor
from quba_check.engine.decisions import ShardArrays, attack_arrays, check_columns, shard_arrays
from quba_check.engine.predict import Passes
from quba_check.engine.preparer import Prepare, Preparer
from quba_check.engine.shards import ShardOwner, ShardRequest, ShardResult, ShardTask
from quba_check.engine.work import Reporter
from quba_check.errors import InvariantError, ModelError
from quba_check.models.compute import ComputeSettings, device_name
from quba_check.models.outputs import check_finite
from quba_check.storage.image_cache import ImageCache
from quba_check.storage.shard import Origin, ShardKey, encode_shards
from quba_check.storage.store import Store
from quba_check.suites.suite import Example


@dataclass(eq=False, repr=False)
class Worker:
    """Predicts shards in this process, with images read ahead across their borders.

    Attributes:
        store: a folder of this machine, for prepared images.
        cache_keys: cache keys of model and images.
        batch_settings: batch size and threads.
        reporter: receives every pass of a batch.
        shown: the model's outputs for clean images that were predicted without being stored, by index.
        classifier: the model; a guard checks that its parameters do not change. If the kind of its outputs
            is unknown, the first shard determines it.
        suite: the images.
        protocol: settings of attacks, ties and cropping.
    """

    store: Store
    cache_keys: CacheKeys
    batch_settings: BatchSettings
    reporter: Reporter
    shown: dict[int, Tensor] = field(default_factory=dict)
    _unchecked: list[ShardKey] = field(default_factory=list)
    name = ""

    def __post_init__(self) -> None:
        keys = self.cache_keys
        settings = self.batch_settings
        self.suite, self.protocol = keys.suite, keys.protocol
        model = self.classifier = keys.classifier
        self.image_cache = ImageCache(self.store.root / "images", int(settings.cache_gb * 1e9))
        self._preparer = Preparer(self.suite, model, self.image_cache)
        threads = default_threads(model.device) if settings.threads is None else settings.threads
        self._pool = ThreadPoolExecutor(threads, "quba-read") if threads else None
        self._passes = Passes(model, self.protocol, settings.batch_size, self.reporter.add)
        model.guard()  # from now on it compares with the present state

    def choose_compute(self, view: View = CLEAN) -> ComputeSettings:
        """Return the settings of the passes over a view on this device; see `engine.compute_choice`."""
        model = self.classifier
        if half_precisions(model.device):
            return checked_settings(model, self.suite, self._preprocessing(CLEAN))
        if model.compute.runtime != "openvino":
            return model.compute
        return checked_runtime(model, self.suite, self._preprocessing(view), view.images)

    def noise_floor(self) -> str:
        """Return how well the model agrees with itself, in words; see `engine.compute_choice`."""
        return noise_floor(self.classifier, self.suite, self._preprocessing(CLEAN))

    @torch.no_grad()
    def predict_again(
        self, view: View, examples: Sequence[Example], afresh: bool
    ) -> tuple[ShardArrays, Tensor]:
        """Return the columns of images without attack, and the (n, C) logits behind them.

        Images are read from their files, and nothing is stored.

        Args:
            view: the view.
            examples: n of its images.
            afresh: show clean images to the model that are in `shown`, too.

        Raises:
            QubaError: an image cannot be read, or the model fails.
        """
        batching = self._passes.batching
        model = self.classifier
        known = self.shown if view.images == CLEAN.images and not afresh else {}
        new = [example for example in examples if example.index not in known]
        for chunk, images in batches(new, self._preprocessing(view), batching.size, self._pool):
            raw = batching.run(lambda rows: model.raw(model.inputs(torch.stack([*rows]))), [*images])
            known.update(zip((example.index for example in chunk), torch.cat(raw), strict=True))
        logits = self._passes.logits(torch.stack([known[example.index] for example in examples]), view)
        return shard_arrays(view, self._spaces(view), self.protocol, examples, logits), logits

    def _spaces(self, view: View) -> tuple[LabelSpace, ...]:
        return self.suite.space_of(view.set), *self.cache_keys.other_spaces(view)

    def run(self, requests: Iterable[ShardRequest]) -> Generator[ShardResult, None, None]:
        """Yield results as shards are predicted.

        Requests are pulled as far as images are read ahead.

        Raises:
            UnmeasurableError: a shard has an attack, and the model passes no gradient.
            InvariantError: the model changed, or its predictions have a defect.
            QubaError: an image or the model's outputs cannot be used, or memory runs out.
        """
        tasks: Iterator[ShardTask] = map(self._task, requests)
        first = next(tasks, None)
        if first is None:
            return
        if self.classifier.outputs is None:  # the first request may have brought them along
            for task in self._predicted(first.view.attack, [first]):  # from all its images
                self.classifier.outputs = self.classifier.output_kind(task.outputs["raw"])
                yield self._result(task)
        else:
            tasks = chain([first], tasks)
        # Images in one batch are attacked with one ε.
        for (attack, _), group in groupby(tasks, key=lambda task: (task.view.attack, task.view.epsilon)):
            for task in self._predicted(attack, group):
                yield self._result(task)

    def verify(self, request: ShardRequest) -> None:
        """Check that a shard can be predicted here, and take its images.

        Raises:
            ModelError: model, settings or images are others here than where the request was made.
        """
        view = request.view
        key = request.key
        self.cache_keys.generation = request.generation
        self.cache_keys.give(view, key.shard, request.examples, request.fast_images)
        if self.cache_keys.cache_entry(view) != key.cache_entry:
            raise ModelError("the settings of the predictions differ.", where=f"{request}")
        if self.cache_keys.shard_key(view, key.shard).content != key.content:
            raise ModelError(f"the images in {self.suite.location} differ.", where=f"{request}")

    def changed(self) -> list[ShardKey]:
        """Return the shards since the last call if the model's parameters or buffers changed."""
        keys = self._unchecked
        self._unchecked = []
        try:
            if keys:
                self.classifier.guard().check_state()
        except InvariantError:
            return keys
        return []

    def _preprocessing(self, view: View) -> Prepare:
        """Return the function that prepares the images of a view."""
        return self._preparer.of(view, crop=self.cache_keys.is_cropped(view))

    def _task(self, request: ShardRequest) -> ShardTask:
        """Return the task of a request, whose outputs are of the kind that it states."""
        if request.outputs is not None:
            self.classifier.outputs = request.outputs
        view = request.view.images
        files = self.cache_keys.files_key(view, request.key.shard)
        crop = self.cache_keys.is_cropped(view)
        return ShardTask(request, self._preparer.shard(view, files, request.examples, crop=crop))

    def _predicted(self, attack: str | None, tasks: Iterable[ShardTask]) -> Iterator[ShardTask]:
        """Yield tasks of one kind when the outputs of their images are complete."""
        opened: set[ShardTask] = set()

        def jobs() -> Iterator[Sequence[ShardOwner]]:
            for task in tasks:
                opened.add(task)
                owners = [(task, position) for position in range(len(task.examples))]
                # Small models predict fastest if a shard is read at once and the cores are then theirs again.
                # With attacks it would take too much memory: a random start is four times an image.
                yield from [owners] if attack is None else ([owner] for owner in owners)

        # Batches within shards give the same bits whatever else this process predicts. An accelerator, whose
        # batches are as large as shards, would have to wait.
        group = itemgetter(0) if self.classifier.device.type == "cpu" else lambda _: None
        ahead = READ_AHEAD * self._passes.batching.size
        stream = ImageStream(jobs(), self._read, ahead, self._pool, group)
        try:
            for task in _one_batch_late(self._passes.run(attack, stream)):
                task.images.close()
                opened.discard(task)  # its outputs are as large as all columns together
                yield task
        finally:
            stream.close()
            for task in opened:
                task.images.close()

    def _read(self, owners: Sequence[ShardOwner]) -> BatchTensors:
        """Return images of one shard, for PGD with their random starts; called from several threads."""
        task, first = owners[0]
        positions = slice(first, first + len(owners))
        images = task.images.images(positions)
        view = task.view
        examples = task.examples[positions]
        if view.attack != "pgd":
            return (images,)
        shape = self.classifier.preprocessing.input_size[:1] + images.shape[2:]
        seed = self.suite.sampler.seed
        noises = [start_noise(shape, example.index, seed, view.radius).numpy() for example in examples]
        return images, torch.from_numpy(np.stack(noises))

    def _columns(self, task: ShardTask) -> ShardArrays:
        """Return the columns of a complete task."""
        view = task.view
        outputs = task.outputs
        raw = outputs["logits" if "logits" in outputs else "raw"]
        check_finite(raw, spec=self.classifier.spec)
        if view.attack is None:
            logits = self._passes.logits(raw, view)
        else:
            logits = raw if "logits" in outputs else self.classifier.logits(raw)
        arrays = shard_arrays(view, self._spaces(view), self.protocol, task.examples, logits)
        if self.suite.facts.score_columns(view):
            z = logits.detach().cpu()
            arrays["logsumexp"] = z.double().logsumexp(dim=1).float().numpy()
            arrays["max_logit"] = z.float().amax(dim=1).numpy()
        return arrays if view.attack is None else arrays | attack_arrays(view, outputs, arrays)

    def _result(self, task: ShardTask) -> ShardResult:
        """Check the columns of a complete task; return them as a file."""
        request = task.request
        view = task.view
        columns = self._columns(task)
        self.classifier.guard().check(str(view))
        outputs = self.classifier.outputs
        if outputs is None:
            raise InvariantError("the kind of its outputs was not determined.", where=self.classifier.spec)
        defect = check_columns(columns, self.cache_keys.columns(view), classes=len(self.suite.classes))
        if defect:  # once stored, it would be predicted on every read
            raise InvariantError(f"predictions of {view}: {defect}.", where=self.classifier.spec)
        metadata = {"model": self.classifier.name, "view": str(view), "outputs": str(outputs)}
        self._unchecked.append(request.key)
        content = encode_shards([request.key], columns, metadata, [self._origin(request)])
        return ShardResult(request, content, outputs)

    def _origin(self, request: ShardRequest) -> Origin:
        """Return the origin of a shard that is predicted here."""
        model = self.classifier
        precision = model.compute.precision if request.view.attack is None else "fp32"
        versions = {"quba-check": version("quba-check"), **self.cache_keys.libraries}
        text = ", ".join(f"{name} {number}" for name, number in versions.items())
        return Origin(model.device.type, self._processor, precision, text, request.run, request.time)

    @cached_property
    def _processor(self) -> str:
        return device_name(self.classifier.device)


def _one_batch_late(batches: Iterator[list[ShardTask]]) -> Iterator[ShardTask]:
    """Yield the tasks of each batch once the next batch was started."""
    complete: list[ShardTask] = []
    try:
        for following in batches:
            for task in following:
                task.fetch()
            yield from complete
            complete = following
    except Exception:
        yield from complete
        raise
    yield from complete
