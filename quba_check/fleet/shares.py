"""Shares of a machine's GPUs and cores for processes that run at once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

GPUS = "CUDA_VISIBLE_DEVICES"
"""Variable of CUDA."""
THREADS = "OMP_NUM_THREADS"
"""Variable of the threads of torch."""


def visible_gpus(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the GPUs of CUDA that this process may use.

    torch is imported only if no variable names them.

    Args:
        environment: the variables of the process.
    """
    named = environment.get(GPUS)
    if named is not None:
        return [gpu.strip() for gpu in named.split(",") if gpu.strip()]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


def machine_shares(at_once: int | None, gpus: Sequence[str], cores: int) -> list[dict[str, str]]:
    """Return variables of the environment for each process that runs at once.

    A single process gets the whole machine. Of several, each gets a GPU, and torch in it a share of the
    cores; more processes than GPUs share these. A number of threads set by the user stays. The threads that
    read images are not limited.

    Args:
        at_once: number of processes; None for one per GPU.
        gpus: the GPUs, as CUDA_VISIBLE_DEVICES names them; empty to assign none.
        cores: number of cores.

    >>> machine_shares(2, ["0", "1"], 8)[1]["CUDA_VISIBLE_DEVICES"]
    '1'
    """
    count = at_once or max(1, len(gpus))
    if count == 1:
        return [{}]
    threads = {} if THREADS in os.environ else {THREADS: str(max(1, cores // count))}
    return [threads | ({GPUS: gpus[number % len(gpus)]} if gpus else {}) for number in range(count)]
