"""Batches: images are read ahead in order, across shards, and in parts if memory runs out."""

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.engine.batching import Batching, ImageStream, default_batch, default_threads
from quba_check.errors import ModelError
from quba_check.models.compute import PLAIN, ComputeSettings


def batching(size: int | None = None, compute: ComputeSettings = PLAIN) -> Batching:
    return Batching(
        SimpleNamespace(
            device=torch.device("cpu"),
            spec="net",
            preprocessing=SimpleNamespace(input_size=(3, 8, 8)),
            compute=compute,
            takes_single_images=False,
        ),
        size,
    )


def within(most: int, sizes: list[int]):
    """Return a computation for which memory holds at most so many items."""

    def compute(items):
        if len(items) > most:
            raise torch.OutOfMemoryError("full")
        sizes.append(len(items))
        return list(items)

    return compute


@pytest.mark.parametrize(
    ("most", "count", "size", "expected"),
    [
        (16, 16, 16, [16]),
        (5, 16, 4, [4, 4, 4, 4]),
        (1, 3, 8, [1, 1, 1]),  # a few items without memory only halve the size
    ],
)
def test_parts_are_halved_until_they_fit(most: int, count: int, size: int, expected: list[int]) -> None:
    ours = batching()
    sizes = []
    parts = ours.run(within(most, sizes), range(count))
    assert [item for part in parts for item in part] == list(range(count))
    assert (ours.size, sizes) == (size, expected)


def test_a_batch_that_was_filled_before_is_computed_in_parts_of_the_new_size() -> None:
    ours = batching()
    sizes = []
    attempts = []

    def compute(items):
        attempts.append(len(items))
        return within(5, sizes)(items)

    ours.run(compute, range(16))
    attempts.clear()
    ours.run(compute, range(16))
    assert (ours.size, attempts) == (4, [4, 4, 4, 4])


@pytest.mark.parametrize(("size", "images"), [(8, "8 images"), (None, "a single image")])
def test_a_stated_size_or_a_single_image_that_does_not_fit(size: int | None, images: str) -> None:
    with pytest.raises(ModelError, match=f"memory on cpu runs out with {images} of 8 × 8"):
        batching(size).run(within(0, []), range(16))


def test_other_errors_pass() -> None:
    def broken(items):
        raise ValueError("not memory")

    with pytest.raises(ValueError, match="not memory"):
        batching().run(broken, range(3))


def test_a_failed_part_is_freed_before_the_next_one() -> None:
    """Run a computation whose failed graph would still be alive inside the handler."""
    handled: list[object] = []

    def compute(items):
        handled.append(sys.exc_info()[1])
        if len(items) > 2:
            raise torch.OutOfMemoryError("full")
        return items

    batching().run(compute, range(4))
    assert handled == [None, None, None]


def test_passes_with_gradients_are_smaller_in_channels_last() -> None:
    classifier = batching()._classifier
    attack = Batching(classifier, None, has_gradients=True)
    assert attack.size == 16
    classifier.compute = ComputeSettings(channels_last=True)
    assert (attack.size, Batching(classifier, None).size) == (8, 16)
    assert Batching(classifier, 5, has_gradients=True).size == 5


def test_the_size_is_stated_or_one_for_single_images_or_that_of_the_device() -> None:
    assert batching(5).size == 5
    single = batching()
    single._classifier.takes_single_images = True
    assert single.size == 1
    assert (default_batch(torch.device("cpu")), default_batch(torch.device("cuda"))) == (16, 256)


POOLS = pytest.mark.parametrize("threads", [0, 3])


class Source:
    """Images that are numbers; counts what was listed and read."""

    def __init__(self, count: int, broken: int | None = None) -> None:
        self.count = count
        self.broken = broken
        self.listed = 0
        self.read: list[int] = []

    def jobs(self, together: int = 1):
        for start in range(0, self.count, together):
            numbers = range(start, min(start + together, self.count))
            self.listed += len(numbers)
            yield [f"image {number}" for number in numbers]

    def images(self, owners: Sequence[str]) -> tuple[torch.Tensor]:
        numbers = [int(owner.split()[1]) for owner in owners]
        if self.broken in numbers:
            raise ValueError(f"image {self.broken} is broken")
        self.read += numbers
        return (torch.tensor(numbers),)


def stream_of(source: Source, ahead: int, threads: int, together: int = 1) -> ImageStream[str]:
    pool = ThreadPoolExecutor(threads) if threads else None
    return ImageStream(source.jobs(together), source.images, ahead, pool)


def taken(stream: ImageStream[str], count: int, **options) -> list[int]:
    batch = stream.take(count, **options)
    numbers = batch.contents[0].tolist() if batch else []
    assert [owner.split()[-1] for owner in map(str, batch.owners)] == list(map(str, numbers))
    return numbers


@POOLS
@pytest.mark.parametrize("together", [1, 7, 40])
def test_a_batch_has_images_of_several_chunks_and_leaves_the_rest(threads: int, together: int) -> None:
    stream = stream_of(Source(40), 20, threads, together)
    numbers = [taken(stream, count) for count in (5, 20, 3, 12, 1)]
    assert [len(part) for part in numbers] == [5, 20, 3, 12, 0]
    assert [number for part in numbers for number in part] == list(range(40))


def test_a_thread_reads_a_chunk_at_once() -> None:
    source = Source(40)
    sizes = []
    read = lambda owners: sizes.append(len(owners)) or source.images(owners)  # noqa: E731
    stream = ImageStream(source.jobs(together=40), read, 1, ThreadPoolExecutor(1))
    assert taken(stream, 40) == list(range(40))
    assert sizes == [16, 16, 8]


@POOLS
def test_only_some_images_are_read_ahead(threads: int) -> None:
    source = Source(100)
    stream = stream_of(source, 6, threads)
    stream.take(3)
    assert source.listed == 3 + 6
    stream.close()


def test_a_list_is_read_at_once() -> None:
    source = Source(100)
    stream = stream_of(source, 6, 1, together=10)
    for count, listed in [(4, 10), (1, 20), (9, 20), (1, 30)]:
        stream.take(count)
        assert source.listed == listed
    stream.close()


def test_without_threads_nothing_is_read_before_it_is_needed_or_after_the_end() -> None:
    source = Source(100)
    stream = stream_of(source, 6, 0)
    stream.take(3)
    stream.close()
    assert source.read == [0, 1, 2]


@POOLS
def test_a_small_rest_joins_the_last_batch(threads: int) -> None:
    stream = stream_of(Source(22), 32, threads)
    assert taken(stream, 16, joins_rest=True) == list(range(22))
    stream = stream_of(Source(25), 32, threads)
    assert taken(stream, 16, joins_rest=True) == list(range(16))
    assert taken(stream, 16, joins_rest=True) == list(range(16, 25))


@POOLS
def test_images_before_an_error_come_first(threads: int) -> None:
    stream = stream_of(Source(9, broken=5), 8, threads)
    assert taken(stream, 4) == [0, 1, 2, 3]
    assert taken(stream, 4) == [4]
    with pytest.raises(ValueError, match="image 5 is broken"):
        stream.take(4)
    with pytest.raises(ValueError, match="image 5 is broken"):
        stream.take(4)


@POOLS
def test_images_of_two_groups_never_share_a_batch(threads: int) -> None:
    pool = ThreadPoolExecutor(threads) if threads else None
    jobs = iter(
        [
            [f"{number // 5}, {number}" for number in range(first, first + 5)][: 12 - first]
            for first in (0, 5, 10)
        ]
    )
    read = lambda owners: (torch.tensor([int(owner.split()[1]) for owner in owners]),)  # noqa: E731
    stream = ImageStream(jobs, read, 8, pool, group=lambda owner: owner[0])
    assert taken(stream, 4) == [0, 1, 2, 3]
    assert taken(stream, 4, like="1") == []
    assert taken(stream, 4, like="0") == [4]
    assert taken(stream, 4, joins_rest=True) == [5, 6, 7, 8, 9]
    assert taken(stream, 4) == [10, 11]
    assert taken(stream, 4) == []


@settings(deadline=None, derandomize=True, max_examples=50)
@given(count=st.integers(0, 70), size=st.integers(1, 20), joins=st.booleans(), ahead=st.integers(1, 50))
def test_every_image_arrives_once(count: int, size: int, joins: bool, ahead: int) -> None:
    stream = stream_of(Source(count), max(ahead, 2 * size), 0)
    sizes = []
    numbers = []
    while batch := taken(stream, size, joins_rest=joins):
        sizes.append(len(batch))
        numbers += batch
    assert numbers == list(range(count))
    assert all(size == number for number in sizes[:-1])
    assert not sizes or sizes[-1] <= size + (size // 2 if joins else 0)


@pytest.fixture
def allow_cores(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Set the number of cores of this process on a machine with 96."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER_COUNT", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 96)

    def allow(cores: int) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)

    return allow


@pytest.mark.parametrize(
    ("cores", "workers", "on_cpu", "on_cuda"),
    [
        (1, 1, 1, 1),
        (2, 1, 2, 2),
        (16, 1, 4, 16),
        (96, 1, 4, 16),
        (64, 2, 4, 16),
        (64, 8, 4, 8),
        (64, 99, 1, 1),
    ],
)
def test_an_accelerator_is_fed_by_more_threads_and_workers_share_the_cores(
    allow_cores: Callable[[int], None], monkeypatch: pytest.MonkeyPatch, cores, workers, on_cpu, on_cuda
) -> None:
    allow_cores(cores)
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", str(workers))
    assert default_threads(torch.device("cpu")) == on_cpu
    assert default_threads(torch.device("cuda")) == on_cuda
    assert default_threads(torch.device("cuda"), 12) == 12  # a worker of an executor has its own


def test_all_cores_where_the_system_limits_none(
    allow_cores: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert default_threads(torch.device("cuda")) == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert default_threads(torch.device("cuda")) == 1
