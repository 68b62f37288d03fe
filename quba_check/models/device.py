"""Where a model runs, and in which precision."""

from __future__ import annotations

import re
from typing import Literal

import torch

from quba_check.errors import OptionError, did_you_mean

Precision = Literal["fp32", "bf16", "fp16"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "fp16")
_NAMES = ("auto", "cpu", "cuda", "cuda:0", "mps")
DEVICES = ("auto", "cpu", "cuda", "cuda:N", "mps")


def resolve_device(text: str, worker: int | None = None) -> torch.device:
    """The device that an option's text stands for on this machine.

    Args:
        text: `auto` (CUDA, then MPS, then CPU), `cpu`, `cuda`, `cuda:N` or `mps`.
        worker: number of this process among parallel ones, from 0. Under `auto` and `cuda` worker k of n GPUs
            takes GPU k mod n; `cuda:N` is the same GPU for all.

    Returns:
        A device that is there; a CUDA device always with its number.

    Raises:
        OptionError: the text is no device, or the device is not there.
    """
    numbered = re.fullmatch(r"cuda:(\d+)", text)
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not numbered and text not in _NAMES:
        raise OptionError(
            f"--quba-device: unknown device '{text}'. Allowed: {', '.join(DEVICES)}."
            f"{did_you_mean(text, _NAMES)}"
        )
    if text.startswith("cuda") and not gpus:
        raise OptionError(
            f"--quba-device: {text} was asked for, but torch {torch.__version__} finds no CUDA device here. "
            f"Allowed: {_available()}."
        )
    if numbered and int(numbered[1]) >= gpus:
        raise OptionError(f"--quba-device: there is no {text} here. Allowed: {_available()}.")
    if text == "mps" and not torch.backends.mps.is_available():
        raise OptionError(
            f"--quba-device: mps was asked for, but torch {torch.__version__} finds no Apple GPU here. "
            f"Allowed: {_available()}."
        )
    if numbered:
        return torch.device(text)
    if text == "cuda" or (text == "auto" and gpus):
        return torch.device("cuda", (worker or 0) % gpus)
    if text == "mps" or (text == "auto" and torch.backends.mps.is_available()):
        return torch.device("mps")
    return torch.device("cpu")


def resolve_precision(text: str, device: torch.device) -> Precision:
    """The precision of forward passes; gradients are always float32.

    Args:
        text: `auto` (which is fp32), `fp32`, `bf16` or `fp16`.
        device: where the model runs; fp16 needs a GPU.

    Returns:
        The precision.

    Raises:
        OptionError: the text is no precision, or the device does not have it.
    """
    if text == "auto":
        return "fp32"
    if text not in PRECISIONS:
        allowed = ("auto", *PRECISIONS)
        raise OptionError(
            f"--quba-precision: unknown precision '{text}'. Allowed: {', '.join(allowed)}."
            f"{did_you_mean(text, allowed)}"
        )
    if text == "fp16" and device.type == "cpu":
        raise OptionError("--quba-precision: fp16 needs a GPU, got device cpu. Allowed: auto, fp32, bf16.")
    return text


def pin_arithmetic(device: torch.device) -> None:
    """Let CUDA compute float32 as float32, and the same twice.

    By default cuDNN rounds float32 convolutions to TF32's ten bits of mantissa, and picks algorithms whose
    sums depend on the order in which threads finish. The settings hold for the whole process.
    """
    if device.type != "cuda":
        return
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


def _available() -> str:
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    cuda = ["cuda", *(f"cuda:{k}" for k in range(gpus))] if gpus else []
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return ", ".join(["auto", "cpu", *cuda, *mps])
