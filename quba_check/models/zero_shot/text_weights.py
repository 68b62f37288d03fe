"""What a zero-shot model knows of the classes: one direction for each, read from texts once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

Tell = Callable[[str], None]
TEXTS_AT_ONCE = 256
CLASSES_A_PART = 50
"""ImageNet's 80,000 texts take one CPU core two hours with ViT-B-32: a killed run loses at most a part."""


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


def kept_text_weights(
    folder: Path | None, tokens: Tensor, make: Callable[[Tensor], Tensor], tell: Tell | None
) -> Tensor:
    """The text weights of all classes, part by part from a folder, or made now and kept there.

    Processes that run side by side share the parts. Where nothing can be written, each makes its own.

    Args:
        folder: named after everything that determines the weights. None keeps nothing.
        tokens: (C, T, L) int64.
        make: text weights of some classes' tokens.
        tell: told how far it is, in words, before each part is made.
    """
    classes, templates, _ = tokens.shape
    parts = []
    for start in range(0, classes, CLASSES_A_PART):
        some = tokens[start : start + CLASSES_A_PART]
        said = f"class texts, {start * templates:,} of {classes * templates:,} read"
        told = partial(_told, tell, said, make, some)
        parts.append(_kept(folder and folder / f"{start:05d}.safetensors", told))
    return torch.cat(parts)


def _told(tell: Tell | None, said: str, make: Callable[[Tensor], Tensor], some: Tensor) -> Tensor:
    if tell is not None:
        tell(said)
    return make(some)


def _kept(path: Path | None, make: Callable[[], Tensor]) -> Tensor:
    if path is None:
        return make()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name("lock")):
            found = _read(path)
            return _written(path, make()) if found is None else found
    except OSError:  # no place to keep it
        return make()


def _read(path: Path) -> Tensor | None:
    """The weights in a file; None if there is none, or a damaged one."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            found: Tensor = file.get_tensor("text_weights")
            checksum = (file.metadata() or {}).get("checksum")
            return found if checksum == _checksum(found) else None
    except (OSError, SafetensorError, TypeError):  # TypeError: of types that numpy does not have
        return None


def _written(path: Path, made: Tensor) -> Tensor:
    temporary = path.with_name(f".{path.name}-{os.getpid()}.tmp")
    try:
        save_file({"text_weights": made}, temporary, {"checksum": _checksum(made)})
        temporary.replace(path)
    except (OSError, SafetensorError):  # the disk is full: it is made already, and serves this run
        temporary.unlink(missing_ok=True)
    return made


def _checksum(weights: Tensor) -> str:
    content = f"{weights.dtype}:{tuple(weights.shape)}".encode() + weights.contiguous().numpy().tobytes()
    return hashlib.blake2b(content, digest_size=16).hexdigest()
