"""Device, precision, memory format and runtime of a model's passes."""

from __future__ import annotations

import contextlib
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch

from quba_check.errors import OptionError
from quba_check.models.choices import (
    PRECISIONS,
    PROVIDERS,
    RUNTIMES,
    Precision,
    Runtime,
    check_choice,
    check_device,
)
from quba_check.models.loaded_module import LoadedModule
from quba_check.models.request import LoadRequest
from quba_check.models.runtimes import openvino_name

STATED = "stated by --quba-precision"
PROGRAM = "exported programs run as they are"
SINGLE_IMAGES = "images are predicted one by one, since the scale of quantised values depends on the batch"
DEMO = "the demo runs on the plain path"
RULE = "the rule for the device and the kind of network"
TOO_FEW = "the clean set has too few images for the check of half precision"
NOT_CHECKED = "half precision cannot be checked on the clean set"
FLIPPED = "half precision flips an answer"
CHECKED = "half precision flips no answer"
OPENVINO = "OpenVINO gives the answers of torch"
OPENVINO_DIFFERS = "OpenVINO changes an answer or a class score"
OPENVINO_NOT_CHECKED = "OpenVINO cannot be checked on"
CHANNELS_LAST = {("cpu", "fp32"), ("cuda", "bf16"), ("cuda", "fp16")}
"""Devices and precisions with which convolutional networks run in memory format `channels_last`."""


@dataclass(frozen=True, slots=True)
class ComputeSettings:
    """Settings of a model's passes, and their origin.

    Attributes:
        precision: number format of passes without gradients. Those with gradients are always float32.
        channels_last: convolution weights and inputs are in memory format `channels_last`.
        runtime: what runs passes of unattacked images.
        requested: the requested precision; `auto` if chosen here.
        reason: reason for these settings.
        images: number of images predicted both with these settings and by torch in float32; 0 if unchecked.
        flipped: number of these images with another top-1 answer.
    """

    precision: Precision = "fp32"
    channels_last: bool = False
    runtime: Runtime = "torch"
    requested: str = "fp32"
    reason: str = STATED
    images: int = 0
    flipped: int = 0

    def cache_settings(self) -> dict[str, Any]:
        """Return the settings that change the last bits of predictions, for cache keys.

        The plain format and torch are left out, so that predictions stored before stay valid.
        """
        name = openvino_name() if self.runtime == "openvino" else self.runtime
        changes = {"channels_last": self.channels_last, "runtime": self.runtime != "torch" and name}
        return {"precision": self.precision} | {key: value for key, value in changes.items() if value}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ComputeSettings:
        """Return the settings of `dataclasses.asdict`.

        Raises:
            ValueError, TypeError: the values are not those of settings.
        """
        settings = cls(**values)
        is_known = settings.precision in get_args(Precision) and settings.runtime in RUNTIMES
        if not is_known or settings.channels_last not in (True, False):
            raise ValueError(f"unknown settings {values!r}")
        return settings


PLAIN = ComputeSettings()


def first_settings(
    request: LoadRequest, loaded: LoadedModule, precision: Precision, device: torch.device
) -> ComputeSettings:
    """Return the settings of a model as loaded; `auto` may replace those that are stated.

    Raises:
        OptionError: the runtime is unknown or not installed.
    """
    reason = STATED
    if loaded.takes_single_images:
        reason = SINGLE_IMAGES
    elif loaded.is_program:
        reason = PROGRAM
    elif loaded.is_demo and request.precision == "auto":
        reason = DEMO
    precision = loaded.precision or precision
    runtime = check_choice("--quba-runtime", request.runtime, RUNTIMES)
    is_for_it = runtime != "openvino" or (device.type, precision) == ("cpu", "fp32")
    if reason not in (STATED, DEMO) or not is_for_it:
        runtime = "torch"
    if runtime == "openvino":
        openvino_name()  # raises without OpenVINO
    return ComputeSettings(precision, runtime=runtime, requested=request.precision, reason=reason)


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
        raise OptionError(
            f"torch {torch.__version__} finds no {text} here",
            where="--quba-device",
            allowed=", ".join(["auto", *available]),
        )
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
        raise OptionError(
            "fp16 needs a GPU", where="--quba-precision", got="device cpu", allowed="auto, fp32, bf16"
        )
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
