"""Digests of the tensors of modules, and a guard against passes that change them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from quba_check.errors import InvariantError

_NO_WRITES = "A forward pass in eval mode must not write to the model."
STATE_CHANGED = (
    "end of run: the model's parameters or buffers are not those of the start (checksums differ). "
    f"{_NO_WRITES}"
)
Version = tuple[int, int]
"""Storage address and in-place counter of a tensor, which reveal most changes without reading it."""


def named_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return all parameters and buffers of a module, each once, by name."""
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
    """Return a digest of names, types, shapes and bytes of tensors.

    Args:
        tensors: on any device; read one after another, so that memory is bounded by the largest one.

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


def qualified_name(kind: type) -> str:
    """Return the name of a class in fingerprints.

    Wrappers of quba-check state theirs, so that stored predictions stay valid if their modules move.
    """
    return getattr(kind, "fingerprint_name", f"{kind.__module__}.{kind.__qualname__}")


class Guard:
    """A check that a module does not change and is not in train mode.

    torch counts the in-place changes of a tensor, also under `inference_mode`, but not those of BatchNorm's
    running statistics or through `.data`. Therefore train mode, which updates the statistics, is refused, and
    a checksum of all contents at the end of a run reveals the rest.

    Args:
        module: the module to watch.
        checksum: its `state_digest`; None computes it.
    """

    def __init__(self, module: nn.Module, checksum: str | None = None) -> None:
        self._module = module
        self._before = self.versions()
        self._checksum = checksum or state_digest(named_tensors(module))

    def versions(self) -> dict[str, Version]:
        """Return the address and in-place counter of each parameter and buffer, by name."""
        # Tensors created under inference_mode have no counter; the checksum covers them.
        return {
            name: (tensor.data_ptr(), -1 if tensor.is_inference() else tensor._version)
            for name, tensor in named_tensors(self._module).items()
        }

    def check(self, view: str) -> None:
        """Check that the module has not changed.

        Args:
            view: the predicted view, for the message.

        Raises:
            InvariantError: a tensor changed or is missing, or a part is in train mode. New tensors are
                allowed: some models cache position tables as buffers.
        """
        for name, part in self._module.named_modules():
            if getattr(part, "training", False):  # parts of frozen TorchScript programs have no mode
                part = f"its part '{name}'" if name else "it"
                raise InvariantError(
                    f"the model must be measured in eval mode, but {part} is in train mode.", where=view
                )
        now = self.versions()
        for name, version in self._before.items():
            if now.get(name) != version:
                raise InvariantError(
                    f"the model's tensor '{name}' changed while the model was measured",
                    where=view,
                    hint=_NO_WRITES,
                )

    def check_state(self) -> None:
        """Check all contents, once at the end of a run.

        Raises:
            InvariantError: the checksum differs from that of the start.
        """
        now = named_tensors(self._module)
        if state_digest({name: now[name] for name in self._before if name in now}) != self._checksum:
            raise InvariantError(STATE_CHANGED)
