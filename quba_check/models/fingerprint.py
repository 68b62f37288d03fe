"""Fingerprints of models: equal weights in an equal network give an equal one, wherever the files lie."""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

LIBRARIES = frozenset({"timm", "torch", "torchvision"})
"""Their sources are not digested: the network they build shows in its printed form."""
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def named_tensors(module: nn.Module) -> dict[str, Tensor]:
    """All parameters and buffers of a module, each once, by name."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def unusual_form(tensor: Tensor) -> str:
    """Return the form of a tensor, such as `sparse`; empty for dense ones."""
    if nn.parameter.is_lazy(tensor):
        return "uninitialised"
    if tensor.is_meta:
        return "meta"
    if tensor.is_nested:
        return "nested"
    if tensor.is_quantized:
        return "quantised"
    return "" if tensor.layout == torch.strided else "sparse"


def state_digest(tensors: Mapping[str, Tensor]) -> str:
    """Digest of names, types, shapes and bytes of tensors.

    Args:
        tensors: on any device; read one after the other, so that the largest one bounds the memory.

    Returns:
        32 hex digits (blake2b). A gigabyte takes about a second.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        if flat.numel():
            digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def fingerprint(
    module: nn.Module,
    state: str,
    *,
    architecture: str,
    sources: Iterable[Path] = (),
    columns: tuple[int, ...] | None = None,
) -> str:
    """Fingerprint of a model: its make, its weights, and the source files of code that is the user's own.

    Args:
        module: the module that classifies.
        state: `state_digest` of its tensors.
        architecture: name of the architecture where it has one.
        sources: files whose bytes count too; one that cannot be read is left out.
        columns: the outputs that count as its answers; None for all.

    Returns:
        32 hex digits (blake2b).
    """
    digest = hashlib.blake2b(digest_size=16)
    classes = "\n".join(
        f"{name} {_qualified(type(part))} {_settings(part)}" for name, part in module.named_modules()
    )
    for text in (architecture, _ADDRESS.sub("", repr(module)), classes, state):
        digest.update(text.encode() + b"\0")
    contents = {
        hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest() for path in sources if path.is_file()
    }
    digest.update("\n".join(sorted(contents)).encode())
    if columns is not None:
        digest.update(f"\0columns {columns}".encode())
    return digest.hexdigest()


def own_sources(module: nn.Module, *others: object) -> tuple[Path, ...]:
    """Source files of the user's own classes in a module, and of other objects of theirs.

    Args:
        module: the module that classifies.
        others: functions or classes, such as the callable that built it.

    Returns:
        The files that could be found, without those of torch, torchvision and timm.
    """
    objects = [*others, *{type(part) for part in module.modules()}]
    files = {file for thing in objects if (file := _source(thing)) is not None}
    return tuple(sorted(files))


def _source(thing: object) -> Path | None:
    if (getattr(thing, "__module__", None) or "").partition(".")[0] in LIBRARIES:
        return None
    try:
        file = inspect.getsourcefile(inspect.unwrap(thing))  # type: ignore[arg-type]
    except TypeError:  # built-in, or made in an interactive session
        return None
    return Path(file) if file else None


def _settings(part: nn.Module) -> str:
    """Plain attributes of a module, such as a temperature: they need not show in its printed form."""
    plain = {name: value for name, value in vars(part).items() if _is_plain(value) and name[0] != "_"}
    return repr(sorted((name, value) for name, value in plain.items() if name != "training"))


def _is_plain(value: object) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


def _qualified(kind: type) -> str:
    """Return the name of a class in fingerprints.

    A wrapper of quba-check states its own, so that stored predictions stay valid when its module moves.
    """
    return getattr(kind, "fingerprint_name", f"{kind.__module__}.{kind.__qualname__}")
