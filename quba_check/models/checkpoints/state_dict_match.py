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
class StateDictDiff:
    """Differences between the tensors of a checkpoint and of a module, by name and shape.

    Attributes:
        missing: names that only the module has, in its order.
        unexpected: names that only the checkpoint has, in its order.
        reshaped: name to (shape in the checkpoint, shape in the module) where they differ.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: Mapping[str, tuple[Size, Size]]

    @property
    def count(self) -> int:
        """Number of tensors that do not match."""
        return len(self.missing) + len(self.unexpected) + len(self.reshaped)

    def head(self, classifier: tuple[str, ...]) -> int | None:
        """Return the number of classes of the checkpoint's head if nothing else differs, else None.

        Args:
            classifier: names of the module's last layers, as timm states them.
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
        """Return the counts of differences, with the first few of each kind."""
        shapes = [
            f"{name} {tuple(theirs)} instead of {tuple(ours)}"
            for name, (theirs, ours) in self.reshaped.items()
        ]
        kinds = ((self.missing, "missing"), (self.unexpected, "unexpected"), (shapes, "of another shape"))
        return "; ".join(f"{len(names)} {kind} ({listed(names, SHOWN)})" for names, kind in kinds if names)


@dataclass(frozen=True, slots=True)
class PrefixMatch:
    """A state dict under the names of a module.

    Attributes:
        state: the tensors by the module's names.
        removed: parts removed from the names, in their order.
        left_out: names of tensors that do not belong to the model.
        diff: differences of the others from the module.
        rivals: other prefixes under which a model fits equally well.
        is_fitting: True if nothing differs but the number of classes.
    """

    state: Mapping[str, Tensor]
    removed: tuple[str, ...]
    left_out: tuple[str, ...]
    diff: StateDictDiff
    rivals: tuple[str, ...] = ()
    is_fitting: bool = False


def state_dict_diff(state: Mapping[str, Tensor], module: nn.Module) -> StateDictDiff:
    """Compare a state dict with a module by names and shapes.

    Args:
        state: tensors by name.
        module: the module, which may be on the meta device.
    """
    theirs = {name: tensor.shape for name, tensor in state.items()}
    ours = {name: tensor.shape for name, tensor in module.state_dict().items()}
    return StateDictDiff(
        missing=tuple(name for name in ours if name not in theirs and not name.endswith(COUNTERS)),
        unexpected=tuple(name for name in theirs if name not in ours and not name.endswith(COUNTERS)),
        reshaped={
            name: (theirs[name], shape)
            for name, shape in ours.items()
            if name in theirs and theirs[name] != shape
        },
    )


def match_prefix(state: Mapping[str, Tensor], module: nn.Module, classifier: tuple[str, ...]) -> PrefixMatch:
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
    prefixes = ["", *_prefixes(bare, module)][:MAX_PREFIXES]
    matches = {prefix: _match_without(bare, prefix, infixes, module) for prefix in prefixes}
    fitting = {
        prefix: match
        for prefix, match in matches.items()
        if not match.diff.count or match.diff.head(classifier) is not None
    }
    if fitting:
        first, *others = fitting
        return replace(fitting[first], is_fitting=True, rivals=tuple(others))
    return min(matches.values(), key=lambda match: match.diff.count)


def _prefixes(state: Mapping[str, Tensor], module: nn.Module) -> list[str]:
    """Return prefixes of the module's names in a state dict, the most frequent first."""
    ours = set(module.state_dict())
    counts: Counter[str] = Counter()
    for name in state:
        parts = name.split(".")
        for cut in range(1, min(len(parts), MAX_PREFIX_PARTS)):
            if ".".join(parts[cut:]) in ours:
                counts[".".join(parts[:cut]) + "."] += 1
    return [prefix for prefix, _ in counts.most_common()]


def _match_without(
    state: Mapping[str, Tensor], prefix: str, infixes: tuple[str, ...], module: nn.Module
) -> PrefixMatch:
    inside = {name.removeprefix(prefix): state[name] for name in state if name.startswith(prefix)}
    outside = [name for name in state if not name.startswith(prefix)]
    left_out = tuple(name for name in outside if OTHER_PARTS.search(name.partition(".")[0]))
    diff = state_dict_diff(inside, module)
    # These might be part of the model, even if the module has the same names.
    strays = tuple(name for name in outside if name not in left_out)
    diff = replace(diff, unexpected=diff.unexpected + strays)
    return PrefixMatch(inside, tuple(filter(None, (prefix, *infixes))), left_out, diff)
