"""What a zero-shot model knows of the classes: one direction for each, read from texts once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

TEXTS_AT_ONCE = 256


def text_weights(model: nn.Module, tokens: Tensor, *, device: torch.device) -> Tensor:
    """For each class the mean of the normalised embeddings of its texts, normalised again.

    Args:
        model: an open_clip model in eval mode, on `device`.
        tokens: (C, T, L) int64, the tokens of T texts for each of C classes.
        device: where to compute.

    Returns:
        (C, D) float32 on the CPU, rows of length 1.
    """
    classes, templates, length = tokens.shape
    at_once = max(1, TEXTS_AT_ONCE // templates)
    embed: Any = model.encode_text
    means = []
    with torch.no_grad():
        for start in range(0, classes, at_once):
            some = tokens[start : start + at_once]
            embedded = embed(some.reshape(-1, length).to(device), normalize=True).float()
            means.append(embedded.reshape(len(some), templates, -1).mean(dim=1).cpu())
    return F.normalize(torch.cat(means), dim=-1)


def kept(path: Path | None, make: Callable[[], Tensor]) -> Tensor:
    """A tensor from a file, or made now and kept there.

    Eighty thousand texts take a CPU an hour, and processes that run side by side need the same ones: who
    comes second waits for the first. Where nothing can be written, each makes its own.

    Args:
        path: the file, named after everything that determines the tensor. None keeps nothing.
        make: makes it.
    """
    if path is None:
        return make()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            found = _read(path)
            return _written(path, make()) if found is None else found
    except OSError:  # no place to keep it
        return make()


def _read(path: Path) -> Tensor | None:
    try:
        return load_file(path)["text_weights"]
    except (FileNotFoundError, SafetensorError, KeyError):
        return None


def _written(path: Path, made: Tensor) -> Tensor:
    temporary = path.with_name(f".{path.name}-{os.getpid()}.tmp")
    try:
        save_file({"text_weights": made}, temporary)
        temporary.replace(path)
    except (OSError, SafetensorError):  # the disk is full: it is made already, and serves this run
        temporary.unlink(missing_ok=True)
    return made
