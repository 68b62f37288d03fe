"""A batch that does not fit into memory is computed in parts, and later ones are smaller."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import torch

from quba_check.engine.batching import Batching, default_batch
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


def test_a_batch_that_fits_is_computed_at_once() -> None:
    ours, sizes = batching(), []
    assert ours.run(within(16, sizes), range(16)) == [list(range(16))]
    assert (ours.size, sizes) == (16, [16])


def test_parts_are_halved_until_they_fit() -> None:
    ours, sizes = batching(), []
    parts = ours.run(within(5, sizes), range(16))
    assert [item for part in parts for item in part] == list(range(16))
    assert (ours.size, sizes) == (4, [4, 4, 4, 4])


def test_a_batch_that_was_filled_before_is_computed_in_parts_of_the_new_size() -> None:
    ours, sizes, attempts = batching(), [], []

    def compute(items):
        attempts.append(len(items))
        return within(5, sizes)(items)

    ours.run(compute, range(16))
    attempts.clear()
    ours.run(compute, range(16))
    assert (ours.size, attempts) == (4, [4, 4, 4, 4])


def test_a_few_items_without_memory_only_halve_the_size() -> None:
    ours, sizes = batching(), []
    ours.run(within(1, sizes), range(3))
    assert (ours.size, sizes) == (8, [1, 1, 1])


def test_a_stated_size_is_never_changed() -> None:
    with pytest.raises(ModelError, match="memory on cpu runs out with 8 images of 8 × 8"):
        batching(8).run(within(5, []), range(8))


def test_a_single_image_that_does_not_fit() -> None:
    with pytest.raises(ModelError, match="memory on cpu runs out with a single image of 8 × 8"):
        batching().run(within(0, []), range(16))


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


def test_sizes_by_device() -> None:
    assert default_batch(torch.device("cpu")) == 16
    assert default_batch(torch.device("cuda")) == 256


def test_the_size_is_stated_or_one_for_a_model_that_takes_single_images() -> None:
    assert batching(5).size == 5
    single = batching()
    single._classifier.takes_single_images = True
    assert single.size == 1
