"""Names of devices, precisions and runtimes. Every pytest run imports it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, TypeVar, cast

from quba_check.errors import OptionError
from quba_check.messages import known_names

Word = TypeVar("Word", bound=str)
Precision = Literal["fp32", "bf16", "fp16"]
PRECISIONS: tuple[Literal["auto"] | Precision, ...] = ("auto", "fp32", "bf16", "fp16")
Runtime = Literal["torch", "compile", "openvino"]
RUNTIMES: tuple[Runtime, ...] = ("torch", "compile", "openvino")
DEVICES = ("auto", "cpu", "cuda", "cuda:N", "mps")
_PROVIDERS = ("Tensorrt", "OpenVINO", "ROCM", "MIGraphX", "CoreML", "QNN", "CANN", "Xnnpack")
PROVIDERS = {name.lower(): f"{name}ExecutionProvider" for name in _PROVIDERS}
PROVIDERS |= {"directml": "DmlExecutionProvider"}
"""Further devices, for ONNX files: execution providers of onnxruntime by the name of the device."""


def check_device(text: str) -> str:
    """Return the name of a device unchanged. The device itself need not exist.

    Raises:
        OptionError: it is not one of `DEVICES` or `PROVIDERS`.
    """
    is_numbered = re.fullmatch("cuda:[0-9]{1,3}", text)
    return text if is_numbered else check_choice("--quba-device", text, (*DEVICES, *PROVIDERS))


def check_choice(option: str, text: str, allowed: Sequence[Word]) -> Word:
    """Return a word unchanged.

    Raises:
        OptionError: it is not one of the allowed ones.
    """
    if text not in allowed:
        raise OptionError(where=option, got=f"'{text}'", **known_names(text, allowed))
    return cast(Word, text)
