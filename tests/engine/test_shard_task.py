"""Outputs of batches that cross shards arrive at their shards, in the order of the images."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.shard_requests import request

from quba_check.core.view import CLEAN, FGSM
from quba_check.engine.shards import ShardTask, add_outputs, images_by_view


def task(number: int, count: int, view=CLEAN) -> ShardTask:
    return ShardTask(request(view, number, [None] * count), None)


def test_a_batch_across_two_shards() -> None:
    first, second = task(0, 3), task(1, 2)
    owners = [(first, 2), (first, 0), (second, 0), (first, 1)]
    values = torch.tensor([[20], [0], [100], [10]])
    assert add_outputs(owners, {"raw": values}) == [first]
    assert first.outputs["raw"].flatten().tolist() == [0, 10, 20]
    assert not second.is_complete
    assert add_outputs([(second, 1)], {"raw": torch.tensor([[101]])}) == [second]
    assert second.outputs["raw"].flatten().tolist() == [100, 101]


def test_views_of_a_batch_are_counted() -> None:
    plain, attacked = task(0, 3), task(0, 3, FGSM)
    owners = [(plain, 0), (plain, 1), (attacked, 0)]
    assert list(images_by_view(owners)) == [(CLEAN, 2), (FGSM, 1)]


@settings(deadline=None, derandomize=True, max_examples=50)
@given(data=st.data(), sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_any_order_of_images_gives_the_same_outputs(data: st.DataObject, sizes: list[int]) -> None:
    tasks = [task(number, size) for number, size in enumerate(sizes)]
    owners = [(one, position) for one in tasks for position in range(len(one.examples))]
    shuffled = data.draw(st.permutations(owners))
    complete, start = [], 0
    while start < len(shuffled):
        stop = start + data.draw(st.integers(1, 5))
        batch = shuffled[start:stop]
        values = torch.tensor([100 * one.request.key.shard + position for one, position in batch])
        complete += add_outputs(batch, {"value": values})
        start = stop
    assert sorted(one.request.key.shard for one in complete) == list(range(len(sizes)))
    for one, size in zip(tasks, sizes, strict=True):
        assert one.outputs["value"].tolist() == [
            100 * one.request.key.shard + position for position in range(size)
        ]
