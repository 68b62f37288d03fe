"""A guard against forward passes that change the model."""

from __future__ import annotations

from torch import nn

from quba_check.errors import InvariantError
from quba_check.models.fingerprint import named_tensors, state_digest

STATE_CHANGED = (
    "end of run: the model's parameters or buffers are not those of the start (checksums differ). "
    "A forward pass in eval mode must not write to the model."
)
Version = tuple[int, int]
"""Storage address and in-place counter of a tensor, which reveal most changes without reading it."""


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
                    f"{view}: the model's tensor '{name}' changed while the model was measured. "
                    "A forward pass in eval mode must not write to the model."
                )

    def check_state(self) -> None:
        """Check all contents, once at the end of a run.

        Raises:
            InvariantError: the checksum differs from that of the start.
        """
        now = named_tensors(self._module)
        if state_digest({name: now[name] for name in self._before if name in now}) != self._checksum:
            raise InvariantError(STATE_CHANGED)
