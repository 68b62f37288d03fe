"""Whether a state dict fits a module, and what does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Size, Tensor, nn

from quba_check.errors import listed

Shapes = Mapping[str, Size]

COUNTERS = ".num_batches_tracked"
"""BatchNorm's step counters play no part in evaluation; old and converted checkpoints lack them."""
SHOWN = 3


@dataclass(frozen=True, slots=True)
class StateDictDiff:
    """How the tensors of a checkpoint match those of a module, by name and shape.

    Attributes:
        missing: names that the module has and the checkpoint lacks, in the module's order.
        unexpected: names that the checkpoint has and the module lacks, in the checkpoint's order.
        reshaped: name to (shape in the checkpoint, shape in the module) where they differ.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: Mapping[str, tuple[Size, Size]]

    @property
    def is_perfect(self) -> bool:
        """Whether every tensor has its place."""
        return not (self.missing or self.unexpected or self.reshaped)

    @property
    def count(self) -> int:
        """Number of tensors that have no place or the wrong shape."""
        return len(self.missing) + len(self.unexpected) + len(self.reshaped)

    def head(self, classifier: tuple[str, ...]) -> int | None:
        """Number of classes of the checkpoint's head, where everything but that number fits.

        Args:
            classifier: names of the module's last layers, as timm states them.

        Returns:
            The number, or None where something else does not fit, or everything does.
        """
        if self.missing or self.unexpected or not self.reshaped:
            return None
        sizes = set()
        for name, (theirs, ours) in self.reshaped.items():
            is_head = name.rpartition(".")[0] in classifier and len(theirs) == len(ours) > 0
            if not is_head or theirs[1:] != ours[1:]:
                return None
            sizes.add(theirs[0])
        return int(sizes.pop()) if len(sizes) == 1 else None

    def describe(self) -> str:
        """What does not fit: counts, and the first few of each."""
        shapes = [
            f"{name} {tuple(theirs)} instead of {tuple(ours)}"
            for name, (theirs, ours) in self.reshaped.items()
        ]
        parts = [
            f"{len(names)} {what} ({listed(names, SHOWN)})"
            for names, what in (
                (self.missing, "missing"),
                (self.unexpected, "unexpected"),
                (shapes, "of another shape"),
            )
            if names
        ]
        return "; ".join(parts)


def state_dict_diff(state: Mapping[str, Tensor], module: nn.Module) -> StateDictDiff:
    """Compare a state dict with a module by names and shapes; the module may be on the meta device."""
    theirs: Shapes = {name: tensor.shape for name, tensor in state.items()}
    ours: Shapes = {name: tensor.shape for name, tensor in module.state_dict().items()}
    return StateDictDiff(
        missing=tuple(name for name in ours if name not in theirs and not name.endswith(COUNTERS)),
        unexpected=tuple(name for name in theirs if name not in ours and not name.endswith(COUNTERS)),
        reshaped={
            name: (theirs[name], shape)
            for name, shape in ours.items()
            if name in theirs and theirs[name] != shape
        },
    )
