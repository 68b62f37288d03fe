"""State dicts whose names carry what training wrapped around the model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor, nn

from quba_check.models.checkpoints.state_dict_match import StateDictDiff, state_dict_diff

INFIXES = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
"""Names that torch's compiler, FSDP and activation checkpointing put anywhere; no network has them itself."""
BESIDE_THE_MODEL = re.compile(r"(^|_)(ema|teacher|criterion|metrics?|\w*loss)(_|$)")
"""What a training module holds besides the model, by the first part of its name; it does not classify."""
TRIED = 6
DEEPEST = 20
"""Parts of a prefix: no wrapper around a wrapper goes as deep."""


@dataclass(frozen=True, slots=True)
class PrefixMatch:
    """A state dict as a module takes it.

    Attributes:
        state: the tensors under the module's names.
        removed: what was taken off the names, in the order in which it stood there.
        left_out: names of tensors that are not the model's.
        fit: how the rest fits.
        rivals: other prefixes under which a model that fits just as well was found.
        is_fitting: whether it fits, but for the number of classes perhaps.
    """

    state: Mapping[str, Tensor]
    removed: tuple[str, ...]
    left_out: tuple[str, ...]
    fit: StateDictDiff
    rivals: tuple[str, ...] = ()
    is_fitting: bool = False


def match_prefix(state: Mapping[str, Tensor], module: nn.Module, classifier: tuple[str, ...]) -> PrefixMatch:
    """Find the prefix without which a state dict fits a module.

    Names in front of which wrappers such as `module.`, `model.`, `_orig_mod.` or a Lightning module's own
    attribute stand are tried without them. Tensors outside of the prefix are left out where their names
    say that they belong to losses, metrics, teachers or averages; others keep the rest from fitting, since
    they might have a part in the answer.

    Args:
        state: tensors by name.
        module: the module, which may be on the meta device.
        classifier: names of its last layers; a head for another number of classes fits for this purpose.

    Returns:
        The first placement that fits, else the one that comes nearest.
    """
    infixes = tuple(infix for infix in INFIXES if any(infix in name for name in state))
    bare = dict(state)
    for infix in infixes:
        bare = {name.replace(infix, ""): tensor for name, tensor in bare.items()}
    if len(bare) < len(state):  # two names became one
        infixes, bare = (), dict(state)
    prefixes = ["", *(prefix for prefix in _prefixes(bare, module) if prefix)]
    tried = {prefix: _without(bare, prefix, infixes, module) for prefix in prefixes[:TRIED]}
    fitting = {prefix: placement for prefix, placement in tried.items() if _fits(placement.fit, classifier)}
    if fitting:
        first, *others = fitting
        return replace(fitting[first], is_fitting=True, rivals=tuple(others))
    return min(tried.values(), key=lambda placement: placement.fit.count)


def _fits(found: StateDictDiff, classifier: tuple[str, ...]) -> bool:
    return found.is_perfect or found.head(classifier) is not None


def _prefixes(state: Mapping[str, Tensor], module: nn.Module) -> list[str]:
    """Prefixes behind which names of the module stand, the most frequent first."""
    ours = set(module.state_dict())
    counts: Counter[str] = Counter()
    for name in state:
        parts = name.split(".")
        for cut in range(1, min(len(parts), DEEPEST)):
            if ".".join(parts[cut:]) in ours:
                counts[".".join(parts[:cut]) + "."] += 1
    return [prefix for prefix, _ in counts.most_common()]


def _without(
    state: Mapping[str, Tensor], prefix: str, infixes: tuple[str, ...], module: nn.Module
) -> PrefixMatch:
    kept = {name.removeprefix(prefix): state[name] for name in state if name.startswith(prefix)}
    others = [name for name in state if not name.startswith(prefix)]
    outside = [name for name in others if BESIDE_THE_MODEL.search(name.partition(".")[0])]
    found = state_dict_diff(kept, module)
    # They may have a part in the answer, even where they are called as the module's own.
    strays = tuple(name for name in others if name not in outside)
    found = replace(found, unexpected=found.unexpected + strays)
    return PrefixMatch(kept, tuple(filter(None, (prefix, *infixes))), tuple(outside), found)
