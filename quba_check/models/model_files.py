"""Files that a model was loaded from, and their digests."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from quba_check.errors import ModelError
from quba_check.storage.user_files import is_utf8, sha256

_DEFAULT_WEIGHTS = "pytorch_model.bin"
_SAFE_WEIGHTS = "model.safetensors"


def file_digests(paths: Iterable[Path]) -> dict[str, str]:
    """Return the SHA-256 (hex) of each file by its name.

    The name is relative to the folder of the first file, for files below it.

    Args:
        paths: existing files, the weights first.

    Raises:
        ModelError: a file cannot be read.
    """
    files = list(paths)
    digests: dict[str, str] = {}
    for path in files:
        folder = files[0].parent
        name = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
        if is_utf8(name):
            digests[name] = sha256(path, str(path), ModelError)
    return digests


def cached_weights(config: Mapping[str, Any]) -> tuple[Path, ...]:
    """Return the local file of a pretrained timm model, none if unknown.

    Call it after timm loaded the model.

    Args:
        config: timm's description of the weights.
    """
    if config.get("file"):
        return tuple(path for path in [Path(config["file"])] if path.is_file())
    repository = config.get("hf_hub_id")
    if repository:
        name, _, revision = str(repository).partition("@")
        return cached_hub_file(name, _weight_names(config.get("hf_hub_filename")), revision or None)
    if config.get("url"):
        import torch

        name = os.path.basename(urlparse(str(config["url"])).path)  # noqa: PTH119  of an address
        path = Path(torch.hub.get_dir()) / "checkpoints" / name
        return (path,) if name and path.is_file() else ()
    return ()


def cached_hub_file(repository: str, names: Iterable[str], revision: str | None = None) -> tuple[Path, ...]:
    """Return the first of several Hub files that is in the local cache."""
    from huggingface_hub import try_to_load_from_cache

    for name in names:
        path = try_to_load_from_cache(repository, name, revision=revision)
        if isinstance(path, str):
            return (Path(path),)
    return ()


def _weight_names(name: str | None) -> Iterator[str]:
    """Yield names of weights in the order in which timm looks for them."""
    name = name or _DEFAULT_WEIGHTS
    if name == _DEFAULT_WEIGHTS:
        yield _SAFE_WEIGHTS
    elif name.endswith(".bin"):
        yield f"{name.removesuffix('.bin')}.safetensors"
    yield name
