"""Shares of a machine's GPUs and cores for processes that run at once."""

from __future__ import annotations

import os
from collections.abc import Sequence

from quba_check.models.visible_gpus import GPUS

THREADS = "OMP_NUM_THREADS"
"""Variable of the threads of torch."""


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
