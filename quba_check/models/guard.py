"""A guard against measurements that change the model they measure."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from quba_check.errors import InvariantError
from quba_check.models.fingerprint import named_tensors, state_digest


class Version(NamedTuple):
    """What tells a tensor from its changed self without reading it: storage address and in-place counter."""

    address: int
    counter: int


class Guard:
    """Watches the parameters and buffers of a module, and that no part of it is in train mode.

    torch counts the in-place changes of a tensor, also under `inference_mode`, but not those of BatchNorm's
    running statistics or through `.data`; train mode, which is what updates statistics, is refused, and a
    checksum over all contents at the end of a run catches the rest.

    Args:
        module: the module to watch.
        checksum: its `state_digest`, if known; computed otherwise.
    """

    def __init__(self, module: nn.Module, checksum: str | None = None) -> None:
        self._module = module
        self._before = self.versions()
        self._checksum = checksum or state_digest(named_tensors(module))

    def versions(self) -> dict[str, Version]:
        """Address and in-place counter of each parameter and buffer, by name."""
        return {name: _version(tensor) for name, tensor in named_tensors(self._module).items()}

    def check(self, view: str) -> None:
        """Check that the module is as it was.

        Args:
            view: what was being predicted, for the message.

        Raises:
            InvariantError: a tensor changed or is gone, or a part is in train mode. Tensors that are new are
                no change: some models cache position tables as buffers.
        """
        training = next((name for name, part in self._module.named_modules() if _trains(part)), None)
        if training is not None:
            part = f"its part '{training}'" if training else "it"
            raise InvariantError(
                f"{view}: the model must be measured in eval mode, but {part} is in train mode."
            )
        now = self.versions()
        changed = next((name for name, version in self._before.items() if now.get(name) != version), None)
        if changed is not None:
            raise InvariantError(
                f"{view}: the model's tensor '{changed}' changed while the model was measured. "
                "A forward pass in eval mode must not write to the model."
            )

    def check_state(self) -> None:
        """Check all contents once, at the end of a run.

        Raises:
            InvariantError: the checksum is not that of the start.
        """
        now = named_tensors(self._module)
        kept = {name: now[name] for name in self._before if name in now}
        if state_digest(kept) != self._checksum:
            raise InvariantError(
                "end of run: the model's parameters or buffers are not those of the start (checksums "
                "differ). A forward pass in eval mode must not write to the model."
            )


def _trains(part: nn.Module) -> bool:
    # Parts of frozen TorchScript programs have no mode.
    return getattr(part, "training", False)


def _version(tensor: Tensor) -> Version:
    # Tensors made under inference_mode have no counter; the checksum watches them.
    counter = -1 if tensor.is_inference() else tensor._version
    return Version(tensor.data_ptr(), counter)
