"""GPUs of CUDA for this process. Imports torch only if no variable names them."""

from __future__ import annotations

import os
from collections.abc import Mapping

GPUS = "CUDA_VISIBLE_DEVICES"
"""Variable of CUDA."""


def visible_gpus(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the GPUs of CUDA that this process may use.

    Args:
        environment: the variables of the process.
    """
    named = environment.get(GPUS)
    if named is not None:
        return [gpu.strip() for gpu in named.split(",") if gpu.strip()]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]
