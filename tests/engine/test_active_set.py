"""Images join and leave a batch together with all their tensors."""

from __future__ import annotations

import pytest
import torch

from quba_check.engine.active_set import ActiveSet


def active_set(*rows: int) -> ActiveSet:
    active = ActiveSet()
    active.join([(None, row) for row in rows], pixels=torch.tensor(rows), label=torch.tensor(rows))
    return active


def test_images_join_and_leave() -> None:
    active = active_set(0, 1, 2)
    active.steps = [3, 4, 5]
    active.keep([0, 2])
    active.join([(None, 7)], pixels=torch.tensor([7]), label=torch.tensor([7]))
    assert (
        [row for _, row in active.owners]
        == active["pixels"].tolist()
        == active["label"].tolist()
        == [0, 2, 7]
    )
    assert (active.steps, active.continues) == ([3, 5, 0], [True] * 3)


@pytest.mark.parametrize("change", ["join", "keep"])
def test_images_stay_as_they_are_if_memory_runs_out(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    active = active_set(0, 1, 2)
    calls = []

    def once(function):
        def call(*arguments, **options):
            calls.append(function)
            if len(calls) == {"join": 2, "keep": 1}[change]:
                raise torch.OutOfMemoryError("full")
            return function(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(torch, "cat", once(torch.cat))
        patch.setattr(torch, "tensor", once(torch.tensor))
        new = torch.ones(1)
        with pytest.raises(torch.OutOfMemoryError):
            active.keep([0]) if change == "keep" else active.join([(None, 7)], pixels=new, label=new)
    assert (
        [row for _, row in active.owners]
        == active["pixels"].tolist()
        == active["label"].tolist()
        == [0, 1, 2]
    )
    assert len(active.steps) == len(active.continues) == 3
