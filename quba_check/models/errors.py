"""Errors, warnings and log messages of a model's code."""

from __future__ import annotations

import contextlib
import logging
import re
import warnings
from collections.abc import Iterator

import torch

from quba_check.errors import ModelError, QubaError
from quba_check.messages import one_line

_OUT_OF_MEMORY = (
    "DefaultCPUAllocator: ",
    "backend out of memory",
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "Failed to allocate memory",
)
"""Parts of out-of-memory messages of torch and onnxruntime without a type of their own."""
_MAX_LENGTH = 300


@contextlib.contextmanager
def model_errors(problem: str, where: str = "") -> Iterator[None]:
    """Convert every error of a model's code to a ModelError.

    That includes `SystemExit` and pytest's `Skipped`: a model may neither end a run nor skip a demand. Errors
    of quba-check and Ctrl-C pass unchanged.

    Args:
        problem: beginning of the message; type and first line of the error follow.
        where: the model.

    Raises:
        ModelError: the code raised an error.
        torch.OutOfMemoryError: memory ran out.
    """
    try:
        yield
    except (QubaError, KeyboardInterrupt):
        raise
    except BaseException as error:
        if is_out_of_memory(error):
            raise torch.OutOfMemoryError(error_summary(error)) from error
        raise ModelError(f"{problem} {error_summary(error)}", where=where) from error


def is_out_of_memory(error: BaseException) -> bool:
    """True for out-of-memory errors of Python, torch and onnxruntime, on any device."""
    is_typed = isinstance(error, (MemoryError, torch.OutOfMemoryError))
    return is_typed or any(text in _text_of(error) for text in _OUT_OF_MEMORY)


def error_summary(error: BaseException) -> str:
    r"""Return type and first line of an error in the user's code, for a message.

    Lines that only state a place in source code, as those of OpenVINO, are skipped.

    >>> error_summary(ValueError("no such layer\nsecond line"))
    'ValueError: no such layer'
    >>> error_summary(RuntimeError("Exception from core.cpp:84:\nno such operator\n"))
    'RuntimeError: no such operator'
    """
    lines = (line for line in _text_of(error).strip().splitlines() if not re.search(r":\d+:$", line))
    line = one_line(next(lines, ""), _MAX_LENGTH)
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  the user's own error type may fail too
        return ""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide warnings and log messages of libraries; errors and notes cover what matters of them."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
