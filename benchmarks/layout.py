"""Rows on channels_last with batches of 16 against today's forward pass: the models' own gains."""

from __future__ import annotations

import torch

from benchmarks.material import random_model
from benchmarks.measuring import paired
from benchmarks.row import Row
from benchmarks.work import MOBILENET, RESNET, VIT, Work

IMAGES = 64
PAIRS = 2
GOALS = {RESNET: (1.24, 1.31), MOBILENET: (1.34, 1.37), VIT: (1.1, 1.08)}
"""Ratios of forward, and of forward and backward to the input."""


def rows(_work: Work) -> list[Row]:
    """Return the rows of three models, on random inputs."""
    results = []
    pixels = torch.rand(IMAGES, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    for architecture, goals in GOALS.items():
        plain, changed = random_model(architecture), random_model(architecture)
        changed = changed.to(memory_format=torch.channels_last)
        for with_backward, goal in zip((False, True), goals, strict=True):
            ratio = paired(
                lambda c=changed, b=with_backward: _pass(c, pixels, 16, torch.channels_last, backward=b),
                lambda m=plain, b=with_backward: _pass(m, pixels, 64, torch.contiguous_format, backward=b),
                PAIRS,
                warm=False,
            )
            what = "forward and backward" if with_backward else "forward"
            ours, other = (1e3 * seconds / IMAGES for seconds in (ratio.ours, ratio.other))
            details = f"{ours:.1f} against {other:.1f} ms of CPU per image"
            title = f"channels_last with batches of 16 against batches of 64, {what}, {architecture}"
            results.append(Row.of_ratio(title, ratio, details, goal))
    return results


def _pass(
    model: torch.nn.Module, pixels: torch.Tensor, size: int, layout: torch.memory_format, *, backward: bool
) -> None:
    for batch in pixels.split(size):
        inputs = batch.contiguous(memory_format=layout).requires_grad_(backward)
        with torch.set_grad_enabled(backward):
            logits = model(inputs)
        if backward:
            torch.autograd.grad(logits.logsumexp(dim=1).sum(), inputs)
