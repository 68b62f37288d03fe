"""Shards on their way to a model and back: requests, outputs, results and streams.

A stream locks shards, requests them from an executor, and stores the results.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple, Protocol

import torch

from quba_check.core.view import View
from quba_check.engine.cache_keys import CacheKeys
from quba_check.engine.preparer import ShardImages
from quba_check.errors import QubaError
from quba_check.models.compute import ComputeSettings
from quba_check.models.outputs import OutputKind
from quba_check.storage.shard import ShardKey, utc_time
from quba_check.storage.store import Store
from quba_check.suites.example import Example


class PlannedShard(NamedTuple):
    """One shard of one view."""

    view: View
    shard: int


@dataclass(frozen=True, slots=True)
class ShardRequest:
    """A shard to predict, with all that it takes besides the model and the images.

    Nobody lists files or computes cache keys for it again, so that it can be predicted on another machine.

    Attributes:
        view: the view.
        key: its key.
        examples: the images of the shard.
        fast_images: see `CacheKeys.fast_images`.
        compute: settings of the passes.
        outputs: kind of the model's outputs; None if the shard is to determine it.
        generation: see `CacheKeys.generation`.
        run: see `Origin.run`.
        time: see `Origin.time`.
    """

    view: View
    key: ShardKey
    examples: Sequence[Example]
    fast_images: Sequence[bool]
    compute: ComputeSettings
    outputs: OutputKind | None
    generation: int = 1
    run: str = ""
    time: str = ""

    def __str__(self) -> str:
        return f"{self.view}, shard {self.key.shard}"

    @property
    def id(self) -> PlannedShard:
        """The view and the number of the shard."""
        return PlannedShard(self.view, self.key.shard)


@dataclass(frozen=True, slots=True)
class ShardResult:
    """A predicted shard.

    Attributes:
        request: the request.
        content: content of the stored file.
        outputs: kind of the model's outputs.
        passes: forward and backward passes, counted in images; 0 if they were reported one by one.
    """

    request: ShardRequest
    content: bytes
    outputs: OutputKind
    passes: int = 0


class Executor(Protocol):
    """Predicts shards, in this process or elsewhere."""

    @property
    def name(self) -> str:
        """Words for reports, such as `ray, 8 workers`; empty for this process."""

    def choose_compute(self, view: View) -> ComputeSettings:
        """Return the settings of the passes over a view, before its first shard."""

    def run(self, requests: Iterable[ShardRequest]) -> Generator[ShardResult, None, None]:
        """Yield the results of requests as they are predicted, in any order.

        There is one such iterator at a time; it is closed before the next.

        Args:
            requests: pulled one by one, as there is room. Shards that others work on are not among them.

        Raises:
            QubaError: a shard cannot be predicted. The others in flight are dropped, as they are when the
                iterator is closed.
        """

    def changed(self) -> list[ShardKey]:
        """Return the shards since the last call whose models changed while they predicted them."""


ShardOwner = tuple["ShardTask", int]
"""The shard of an image and the image's position in it."""


class ShardTask:
    """A shard of a view, with the outputs of the images predicted so far.

    Outputs stay on the device until all images are predicted, so that the device never waits for a copy.

    Args:
        request: the shard.
        images: the pixels of its images; closed once all were read.
    """

    def __init__(self, request: ShardRequest, images: ShardImages) -> None:
        self.request = request
        self.view = request.view
        self.examples = request.examples
        self.images = images
        self._positions: list[int] = []
        self._outputs: dict[str, list[torch.Tensor]] = {}
        self._fetched: torch.cuda.Event | None = None

    @property
    def is_complete(self) -> bool:
        """True if the outputs of all images are there."""
        return len(self._positions) == len(self.examples)

    def add(self, positions: Sequence[int], outputs: dict[str, torch.Tensor]) -> None:
        """Add outputs of images.

        Args:
            positions: of the images in the shard.
            outputs: by name, each with a row for every image.
        """
        self._positions += positions
        for name, rows in outputs.items():
            self._outputs.setdefault(name, []).append(rows)

    def fetch(self) -> None:
        """Queue the copy of all outputs to the CPU.

        On CUDA it waits for the work queued so far, and not for the next batch, as a later copy would.
        """
        device = next(iter(self._outputs.values()))[0].device
        if device.type == "cuda":
            for name, parts in self._outputs.items():
                self._outputs[name] = [torch.cat(parts).to("cpu", non_blocking=True)]
            self._fetched = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._fetched.record(torch.cuda.current_stream(device))

    @property
    def outputs(self) -> dict[str, torch.Tensor]:
        """All outputs on the CPU, in the order of the images."""
        if self._fetched is not None:
            self._fetched.synchronize()
        order = torch.tensor(self._positions).argsort()
        return {name: torch.cat(parts).cpu()[order] for name, parts in self._outputs.items()}


def add_outputs(owners: Sequence[ShardOwner], outputs: dict[str, torch.Tensor]) -> list[ShardTask]:
    """Add the outputs of a batch to its shards; return those that are complete now.

    Args:
        owners: shard and position of each image.
        outputs: by name, each with a row for every image.
    """
    complete = []
    start = 0
    for task, group in groupby(owners, key=itemgetter(0)):
        positions = [position for _, position in group]
        stop = start + len(positions)
        task.add(positions, {name: values[start:stop] for name, values in outputs.items()})
        start = stop
        if task.is_complete:
            complete.append(task)
    return complete


@dataclass(eq=False)
class ShardStream:
    """Shards on their way through an executor; `close` drops those left.

    Each is locked until it is stored, so that processes on one store do not predict the same ones.

    Attributes:
        executor: predicts the shards.
        store: the store of shards and locks.
        cache_keys: keys of the shards.
        shards: taken one by one, as the executor has room.
        write: stores a predicted shard.
        busy: shards that other processes work on.
    """

    executor: Executor
    store: Store
    cache_keys: CacheKeys
    shards: Iterable[PlannedShard]
    write: Callable[[ShardResult], None]
    busy: list[PlannedShard] = field(default_factory=list)
    _taken: set[PlannedShard] = field(default_factory=set)
    _locks: dict[PlannedShard, contextlib.ExitStack] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._results = self.executor.run(self.requests(self.shards))

    def advance(self) -> bool:
        """Store the next predicted shard; return False at the end.

        Raises:
            QubaError: a shard cannot be predicted or stored. Those in flight are dropped.
        """
        result = next(self._results, None)
        if result is None:
            return False
        self.write(result)
        self._locks.pop(result.request.id).close()
        return True

    def is_over(self, view: View, shards: Collection[int]) -> bool:
        """Return True if shards of a view were taken, and none is in flight."""
        return all(PlannedShard(view, number) in self._taken for number in shards) and not any(
            view == own and number in shards for own, number in self._locks
        )

    def close(self) -> None:
        """Drop the shards in flight and free their locks."""
        self._results.close()
        for lock in self._locks.values():
            lock.close()
        self._locks.clear()

    def requests(self, shards: Iterable[PlannedShard]) -> Iterator[ShardRequest]:
        """Yield a request for each shard that is missing and that nobody works on."""
        for wanted in shards:
            view, number = wanted
            self._taken.add(wanted)
            key = self.cache_keys.shard_key(view, number)
            if self.store.has(key):
                continue
            with contextlib.ExitStack() as lock:
                if not lock.enter_context(self.store.try_lock(f"{key.cache_entry}/{number}")):
                    self.busy.append(wanted)
                    continue
                if self.store.has(key) or wanted in self._locks:
                    continue
                self._locks[wanted] = lock.pop_all()
            yield shard_request(wanted, self.cache_keys, self.store.run)


@dataclass(eq=False)
class Ahead:
    """Shards of a whole plan in flight, while its requests are answered one by one.

    Attributes:
        open_stream: returns a stream of the shards of views.
        shards: returns the numbers of the shards of a view.
    """

    open_stream: Callable[[Sequence[View]], ShardStream]
    shards: Callable[[View], range]
    _stream: ShardStream | None = None
    _plan: frozenset[View] | None = None
    _has_failed: bool = False

    def take(self, requested: Sequence[View], planned: Sequence[View]) -> None:
        """Store predicted shards until the requested ones are complete, as far as possible.

        The request that needs a faulty shard reports it, so after an error nothing is predicted ahead.

        Args:
            requested: the requested views.
            planned: views of later requests.
        """
        if self._has_failed:
            return
        plan = frozenset({*requested, *planned})
        try:
            if self._stream is None or self._plan != plan:
                self.stop()
                self._plan, self._stream = plan, self.open_stream([*requested, *planned])
            for view in requested:
                while not self._stream.is_over(view, self.shards(view)):
                    if not self._stream.advance():
                        self.stop()
                        return
        except QubaError:
            self._has_failed = True
            self.stop()

    def stop(self) -> None:
        """Drop the shards in flight."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def shard_request(shard: PlannedShard, cache_keys: CacheKeys, run: str) -> ShardRequest:
    """Return the request of a run for a shard."""
    view, number = shard
    return ShardRequest(
        view,
        cache_keys.shard_key(view, number),
        cache_keys.contents.examples(view, number),
        cache_keys.fast_images(view),
        cache_keys.classifier.compute,
        cache_keys.classifier.outputs,
        cache_keys.generation,
        run,
        utc_time(),
    )
