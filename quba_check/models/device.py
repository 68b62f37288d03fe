"""Device and precision of a model's forward passes."""

from __future__ import annotations

import contextlib
import platform
import re
from collections.abc import Sequence
from pathlib import Path

import torch

from quba_check.errors import OptionError
from quba_check.models.request import PRECISIONS, PROVIDERS, Precision, check_choice, check_device


def resolve_device(text: str, worker: int | None = None) -> torch.device:
    """Return the device with a given name on this machine.

    Args:
        text: `auto` (CUDA, then MPS, then CPU), `cpu`, `cuda`, `cuda:N`, `mps`, or one of `PROVIDERS`, for
            which the device of tensors is the CPU.
        worker: number of this process among parallel ones, from 0. Under `auto` and `cuda` worker k of n GPUs
            takes GPU k mod n; `cuda:N` is the same GPU for all.

    Returns:
        An existing device; a CUDA device always has its number.

    Raises:
        OptionError: the name is unknown or the device does not exist.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    mps = ["mps"] if torch.backends.mps.is_available() else []
    cuda = ["cuda", *(f"cuda:{number}" for number in range(gpus))] if gpus else []
    available = [*cuda, *mps, "cpu"]
    if text in PROVIDERS:
        return torch.device("cpu")
    if check_device(text) not in ("auto", *available):
        names = ", ".join(["auto", *available])
        raise OptionError(f"--quba-device: torch {torch.__version__} finds no {text} here. Allowed: {names}.")
    name = available[0] if text == "auto" else text
    return torch.device("cuda", (worker or 0) % gpus) if name == "cuda" else torch.device(name)


def resolve_precision(text: str, device: torch.device) -> Precision:
    """Return the precision of forward passes at first. Gradients are always float32.

    Args:
        text: `auto` (fp32 at first), `fp32`, `bf16` or `fp16`.
        device: where the model runs; fp16 needs a GPU.

    Raises:
        OptionError: the name is unknown, or the device does not support the precision.
    """
    precision = check_choice("--quba-precision", text, PRECISIONS)
    if precision == "fp16" and device.type == "cpu":
        raise OptionError("--quba-precision: fp16 needs a GPU, got device cpu. Allowed: auto, fp32, bf16.")
    return "fp32" if precision == "auto" else precision


def pin_arithmetic(device: torch.device) -> None:
    """Make float32 arithmetic on CUDA exact and deterministic, for the whole process.

    By default cuDNN rounds float32 convolutions to TF32's ten bits of mantissa, and picks algorithms whose
    sums depend on the order in which threads finish.
    """
    if device.type != "cuda":
        return
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


def row_index(rows: Sequence[int], device: torch.device) -> torch.Tensor:
    """Return rows as an index tensor on a device; on CUDA without a wait."""
    index = torch.tensor(rows, dtype=torch.long)
    return index.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else index.to(device)


def device_name(device: torch.device) -> str:
    """Return the model name of a GPU or CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    names = ""
    with contextlib.suppress(OSError):
        names = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    model = re.search("^model name\\s*: (.*)$", names, re.MULTILINE)
    cpu = model[1] if model else platform.processor() or platform.machine()
    return cpu if device.type == "cpu" else f"{device.type} of {cpu}"
