"""Match of a state dict with a module, despite prefixes added in training."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Size, Tensor, nn

from quba_check.messages import listed

INFIXES = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
"""Names that torch's compiler, FSDP and activation checkpointing insert anywhere; no network has its own."""
OTHER_PARTS = re.compile(r"(^|_)(ema|teacher|criterion|metrics?|\w*loss)(_|$)")
"""Parts of a training module that do not classify, by the first part of their name."""
MAX_PREFIXES = 6
"""Number of prefixes that are tried."""
MAX_PREFIX_PARTS = 20
COUNTERS = ".num_batches_tracked"
"""BatchNorm's step counters have no influence in eval mode; old and converted checkpoints lack them."""
SHOWN = 3


@dataclass(frozen=True, slots=True)
class StateDictMatch:
    """A state dict under the names of a module, and its differences from the module.

    Attributes:
        state: the tensors by the module's names.
        removed: parts removed from the names, in their order.
        left_out: names of tensors that do not belong to the model.
        missing: names that only the module has, in its order.
        unexpected: names that only the checkpoint has, in its order.
        reshaped: name to (shape in the checkpoint, shape in the module) where they differ.
        classes: number of classes of the checkpoint's head if nothing else differs; None otherwise.
        rivals: other prefixes under which a model fits equally well.
    """

    state: Mapping[str, Tensor]
    removed: tuple[str, ...]
    left_out: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: Mapping[str, tuple[Size, Size]]
    classes: int | None
    rivals: tuple[str, ...] = ()

    @property
    def differences(self) -> int:
        """Number of tensors that do not match."""
        return len(self.missing) + len(self.unexpected) + len(self.reshaped)

    @property
    def is_fitting(self) -> bool:
        """True if nothing differs but the number of classes."""
        return not self.differences or self.classes is not None

    def describe(self) -> str:
        """Return the counts of differences, with the first few of each kind."""
        shapes = [
            f"{name} {tuple(theirs)} instead of {tuple(ours)}"
            for name, (theirs, ours) in self.reshaped.items()
        ]
        kinds = ((self.missing, "missing"), (self.unexpected, "unexpected"), (shapes, "of another shape"))
        return "; ".join(f"{len(names)} {kind} ({listed(names, SHOWN)})" for names, kind in kinds if names)


def match_prefix(
    state: Mapping[str, Tensor], module: nn.Module, classifier: tuple[str, ...]
) -> StateDictMatch:
    """Find the prefix without which a state dict fits a module.

    Wrappers add prefixes such as `module.`, `model.`, `_orig_mod.` or the attribute of a Lightning module.
    Tensors outside of the prefix are left out if their names belong to losses, metrics, teachers or averages.
    Any others keep the state dict from fitting, since they might be part of the model.

    Args:
        state: tensors by name.
        module: the module, which may be on the meta device.
        classifier: names of its last layers; they may differ in the number of classes.

    Returns:
        The first match that fits, else the one with the fewest differences.
    """
    infixes = tuple(infix for infix in INFIXES if any(infix in name for name in state))
    bare = dict(state)
    for infix in infixes:
        bare = {name.replace(infix, ""): tensor for name, tensor in bare.items()}
    if len(bare) < len(state):  # two names became one
        infixes, bare = (), dict(state)
    ours = {name: tensor.shape for name, tensor in module.state_dict().items()}
    prefixes = ["", *_prefixes(bare, ours)][:MAX_PREFIXES]
    matches = {prefix: _match_without(prefix, bare, ours, classifier) for prefix in prefixes}
    first, *others = [prefix for prefix in prefixes if matches[prefix].is_fitting] or [
        min(prefixes, key=lambda prefix: matches[prefix].differences)
    ]
    removed = tuple(filter(None, (first, *infixes)))
    return replace(matches[first], removed=removed, rivals=tuple(others))


def _prefixes(state: Mapping[str, Tensor], ours: Mapping[str, Size]) -> list[str]:
    """Return prefixes of the module's names in a state dict, the most frequent first."""
    counts: Counter[str] = Counter()
    for name in state:
        parts = name.split(".")
        for cut in range(1, min(len(parts), MAX_PREFIX_PARTS)):
            if ".".join(parts[cut:]) in ours:
                counts[".".join(parts[:cut]) + "."] += 1
    return [prefix for prefix, _ in counts.most_common()]


def _match_without(
    prefix: str, state: Mapping[str, Tensor], ours: Mapping[str, Size], classifier: tuple[str, ...]
) -> StateDictMatch:
    inside = {name.removeprefix(prefix): state[name] for name in state if name.startswith(prefix)}
    outside = [name for name in state if not name.startswith(prefix)]
    left_out = tuple(name for name in outside if OTHER_PARTS.search(name.partition(".")[0]))
    missing = tuple(name for name in ours if name not in inside and not name.endswith(COUNTERS))
    # Those outside might be part of the model, even if the module has the same names.
    unexpected = (
        *(name for name in inside if name not in ours and not name.endswith(COUNTERS)),
        *(name for name in outside if name not in left_out),
    )
    shapes = {name: (inside[name].shape, ours[name]) for name in ours if name in inside}
    reshaped = {name: pair for name, pair in shapes.items() if pair[0] != pair[1]}
    is_head = (
        not missing
        and not unexpected
        and all(
            name.rpartition(".")[0] in classifier and len(theirs) == len(mine) > 0 and theirs[1:] == mine[1:]
            for name, (theirs, mine) in reshaped.items()
        )
    )
    sizes = {theirs[0] for theirs, _ in reshaped.values()} if is_head else set()
    classes = int(sizes.pop()) if len(sizes) == 1 else None
    return StateDictMatch(inside, (), left_out, missing, unexpected, reshaped, classes)
