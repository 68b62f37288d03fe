"""Text weights of a zero-shot model: one direction for each class."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from quba_check.models.identity.state import state_digest
from quba_check.storage.atomic import write_atomically

NAME = "text_weights"
TEXTS_AT_ONCE = 256
CLASSES_PER_PART = 50
"""ImageNet's 80,000 texts take one CPU core two hours with ViT-B-32: a killed run loses at most a part."""


def text_weights(model: nn.Module, tokens: Tensor, *, device: torch.device) -> Tensor:
    """Return for each class the mean of its texts' normalised embeddings, normalised again.

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
            batch = tokens[start : start + at_once]
            embedded = embed(batch.reshape(-1, length).to(device), normalize=True).float()
            means.append(embedded.reshape(len(batch), templates, -1).mean(dim=1).cpu())
    return F.normalize(torch.cat(means), dim=-1)


def cached_text_weights(
    folder: Path | None,
    tokens: Tensor,
    compute: Callable[[Tensor], Tensor],
    progress: Callable[[str], None] | None,
) -> Tensor:
    """Return the text weights of all classes, computed once and stored.

    Parallel processes share the work by parts. If the folder is not writable, each computes all parts.

    Args:
        folder: folder named after everything that determines the weights; None stores nothing.
        tokens: (C, T, L) int64, the tokens of T texts for each of C classes.
        compute: returns the text weights for the tokens of some classes.
        progress: called with a message before each part is computed.

    Returns:
        (C, D) float32 on the CPU, rows of length 1.
    """
    classes, templates, _ = tokens.shape
    parts = []
    for start in range(0, classes, CLASSES_PER_PART):

        def compute_part(start: int = start) -> Tensor:
            if progress is not None:
                progress(f"class texts, {start * templates:,} of {classes * templates:,} read")
            return compute(tokens[start : start + CLASSES_PER_PART])

        parts.append(_cached_part(folder and folder / f"{start:05d}.safetensors", compute_part))
    return torch.cat(parts)


def _cached_part(path: Path | None, compute: Callable[[], Tensor]) -> Tensor:
    if path is None:
        return compute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name("lock")):
            weights = _read(path)
            if weights is None:
                weights = compute()
                with contextlib.suppress(OSError):  # for example a full disk
                    write_atomically(path, save({NAME: weights}, {"checksum": _checksum(weights)}))
            return weights
    except OSError:  # the folder is not writable
        return compute()


def _read(path: Path) -> Tensor | None:
    """Return the weights in a file, None if it is missing or damaged."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            weights: Tensor = file.get_tensor(NAME)
            return weights if (file.metadata() or {}).get("checksum") == _checksum(weights) else None
    except (OSError, SafetensorError, TypeError):  # TypeError: dtypes that numpy does not have
        return None


def _checksum(weights: Tensor) -> str:
    return state_digest({NAME: weights})
