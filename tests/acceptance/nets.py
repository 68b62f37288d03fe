"""Networks for whole runs: each notes its passes in a file, and can stop once in the middle.

Named as `nets:net`. The environment says what happens, so that the same
network, with the same fingerprint, can be watched, killed and repeated:

- `NETS_NOTES`: file to which every pass of every process appends its number of images.
- `NETS_TRAP`: see `trap`.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch
from torch import nn

SEEN = {"images": 0}


def note(kind: str, images: int) -> None:
    """Append a line in one write, so that processes do not tear each other's."""
    path = os.environ.get("NETS_NOTES")
    if path:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, f"{kind} {images}\n".encode())
        os.close(handle)


def trap(images: int) -> None:
    """Stop once: the first process that has seen so many images raises the flag, then dies or waits.

    `NETS_TRAP` is `exit AFTER FLAG` for workers of xdist, or `wait AFTER FLAG` for any process.
    """
    SEEN["images"] += images
    what, after, flag = os.environ.get("NETS_TRAP", "no 0 -").split()
    if what == "no" or SEEN["images"] < int(after):
        return
    if what == "exit" and "PYTEST_XDIST_WORKER" not in os.environ:
        return
    try:
        Path(flag).touch(exist_ok=False)
    except FileExistsError:
        return
    if what == "exit":
        os._exit(1)
    parent = os.getppid()
    # Until a signal comes, or the test that would send it is gone.
    while os.getppid() == parent:
        time.sleep(0.05)


class Noted(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        note("forward", len(x))
        trap(len(x))
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        note("backward", len(gradient))
        return gradient


class Net(nn.Module):
    """Looks for the colour of each class, more or less."""

    quba_config = {  # noqa: RUF012
        "input_size": (3, 8, 8),
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
        "interpolation": "bilinear",
        "crop_pct": 1.0,
    }

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        colours = torch.eye(3).repeat_interleave(4, dim=1)
        self.weight = nn.Parameter(0.3 * colours + 0.5 * torch.randn(3, 12, generator=generator))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = Noted.apply(x)
        return nn.functional.adaptive_avg_pool2d(x, 2).flatten(1) @ self.weight.T


def net() -> Net:
    return Net()


def other() -> Net:
    return Net(seed=7)


class Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return -gradient


class WithReversedGradients(Net):
    """Answers as `net`; its gradients lead attacks to where it is right."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(Reversed.apply(x))


class WithoutUsableGradients(Net):
    """Answers as `net`; its gradients are zero."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.detach() + 0 * x)


class WithNanGradients(Net):
    """Answers as `net`; its gradients are NaN, because the square root has an infinite slope at 0."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) + (0 * x).flatten(1).square().sum(1, keepdim=True).sqrt()


class Detached(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).detach()


class FourClasses(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.pad(super().forward(x), (0, 1))


class NotFinite(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) * float("nan")


class LooksAlongTheBatch(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = super().forward(x)
        return z - 0.1 * z.mean(dim=0)
