"""Rows on the memory format and batch size of a network alone, with the allocator of a run."""

from __future__ import annotations

import torch

from benchmarks.material import random_model
from benchmarks.measuring import Ratio, cpu_of
from benchmarks.row import Row
from benchmarks.work import LITE0, MOBILENET, RESNET, VIT, Work

IMAGES = 32
ROUNDS = 2
CHOSEN = 16
OTHERS = (8, 32)
NETWORKS = {MOBILENET: True, LITE0: True, RESNET: True, VIT: False}
"""Networks, and whether a run predicts them in `channels_last`."""
LEAST = 1.05
LAST = torch.channels_last
PLAIN = torch.contiguous_format


def rows(_work: Work) -> list[Row]:
    """Return the rows of four networks, on random inputs; the goal is that of the rule for the format."""
    return [
        _row(architecture, with_backward=with_backward)
        for architecture in NETWORKS
        for with_backward in (False, True)
    ]


def _row(architecture: str, *, with_backward: bool) -> Row:
    pixels = torch.rand(IMAGES, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    networks = {form: random_model(architecture).to(memory_format=form) for form in (LAST, PLAIN)}
    is_last = NETWORKS[architecture]
    own = LAST if is_last else PLAIN
    kinds = [(LAST, CHOSEN), (PLAIN, CHOSEN), *((own, size) for size in OTHERS)]
    times = [
        [
            cpu_of(lambda f=form, s=size: _pass(networks[f], pixels, s, f, backward=with_backward)) / IMAGES
            for form, size in kinds
        ]
        for _ in range(ROUNDS)
    ]
    ratio = Ratio.of([(last, plain) for last, plain, *_ in times])
    chosen = ratio.ours if is_last else ratio.other
    sizes = (
        f"× {min(times_of) / chosen:.2f} in batches of {size}"
        for size, times_of in zip(OTHERS, list(zip(*times, strict=True))[2:], strict=True)
    )
    details = (
        f"{1e3 * ratio.ours:.1f} against {1e3 * ratio.other:.1f} ms; {', '.join(sizes)}"
        f"{'' if is_last else '; a run takes the plain format'}"
    )
    what = "forward and backward" if with_backward else "forward"
    return Row.of_ratio(f"channels_last, {what}, {architecture}", ratio, details, LEAST if is_last else None)


def _pass(
    model: torch.nn.Module, pixels: torch.Tensor, size: int, form: torch.memory_format, *, backward: bool
) -> None:
    for batch in pixels.split(size):
        inputs = batch.contiguous(memory_format=form).requires_grad_(backward)
        with torch.set_grad_enabled(backward):
            logits = model(inputs)
        if backward:
            torch.autograd.grad(logits.logsumexp(dim=1).sum(), inputs)
