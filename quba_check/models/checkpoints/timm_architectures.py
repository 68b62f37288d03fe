"""timm's architectures: build one, match weights with it, find the one that fits a checkpoint."""

from __future__ import annotations

import difflib
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, cast

import timm
import torch
from timm.models import get_pretrained_cfg, is_model
from torch import Size, Tensor, nn

from quba_check.errors import ModelError
from quba_check.messages import did_you_mean, listed
from quba_check.models.errors import model_errors, quiet
from quba_check.models.loaded_module import ModelFile
from quba_check.models.preprocessing.config import PreprocessingConfig, key_text
from quba_check.models.preprocessing.preprocessing import DEFAULT_SIZE

SEARCH_SECONDS = 8.0
MAX_LENGTH = 100
"""Largest number of characters that are compared with names."""
_WEIGHT_ARGUMENTS = ("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir")
"""Arguments of timm that name weights. They are ignored, since the weights are those of the file."""
_SIZE = re.compile(r"\d+|nano|pico|femto|atto|tiny|small|medium|base|large|huge|giant")
POPULAR = (
    *("resnet50", "resnet18", "resnet34", "resnet101", "resnet152", "wide_resnet50_2", "resnext50_32x4d"),
    *("vit_base_patch16_224", "vit_small_patch16_224", "vit_tiny_patch16_224", "vit_large_patch16_224"),
    *("deit_tiny_patch16_224", "deit_small_distilled_patch16_224", "deit3_base_patch16_224"),
    *("convnext_tiny", "convnext_small", "convnext_base", "convnextv2_tiny", "convnextv2_base"),
    *("efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3", "tf_efficientnet_b0"),
    *("tf_efficientnet_lite0", "tf_efficientnet_lite1", "tf_efficientnet_lite2", "tf_efficientnetv2_s"),
    *("mobilenetv2_100", "mobilenetv3_large_100", "mobilenetv3_small_100", "mobilenetv4_conv_small"),
    *("swin_tiny_patch4_window7_224", "swin_small_patch4_window7_224", "swin_base_patch4_window7_224"),
    *("regnety_016", "regnety_032", "densenet121", "densenet201", "vgg16", "vgg16_bn", "inception_v3"),
    *("mixer_b16_224", "eva02_base_patch14_448", "beit_base_patch16_224", "maxvit_tiny_tf_224"),
)
"""Architectures that are tried after those with similar names."""
OPTION = "--quba-arch"
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
class BuildSpec:
    """An architecture and the settings that a module is built with.

    Attributes:
        architecture: timm name.
        where: origin of the name, for messages.
        arguments: arguments of the architecture, such as `img_size`. Those that name weights are ignored.
        config: preprocessing that overrides the architecture's own.
        pretrained_cfg: description of the weights that replaces the architecture's own.
        notes: notes for the record.
        file: the `config.json` with these settings; None if they have another origin.
    """

    architecture: str
    where: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    config: PreprocessingConfig | None = None
    pretrained_cfg: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()
    file: ModelFile | None = None

    @property
    def source(self) -> str:
        """Origin of the module's own preprocessing, for reports."""
        return f"timm's {self.architecture}" if self.pretrained_cfg is None else self.where


def check_architecture(name: str, *, where: str) -> None:
    """Check that timm knows an architecture.

    Args:
        name: a timm name, with or without a pretrained tag (`resnet50`, `resnet50.a1_in1k`).
        where: beginning of messages.

    Raises:
        ModelError: timm knows no such architecture, or not with this tag; the message has the nearest names.
    """
    if not is_model(name):
        raise ModelError(
            f"unknown architecture '{key_text(name)}'",
            where=where,
            allowed=f"the models of timm {timm.__version__}",
            hint=did_you_mean(name.partition(".")[0], timm.list_models()),
        )
    base, _, tag = name.partition(".")
    tags = [pretrained.partition(".")[2] for pretrained in timm.list_pretrained(f"{base}.*")]
    if tag and tag not in tags:
        hint = "" if tags else f"There are no pretrained weights for {base}."
        raise ModelError(
            f"'{base}' has no pretrained tag '{tag}'", where=where, allowed=", ".join(tags), hint=hint
        )


def build_architecture(spec: BuildSpec, classes: int) -> nn.Module:
    """Build a timm architecture for a number of classes, without pretrained weights.

    Raises:
        ModelError: timm cannot build it here, for example for lack of a package.
    """
    options = {name: value for name, value in spec.arguments.items() if name not in _WEIGHT_ARGUMENTS}
    options |= {"pretrained": False, "num_classes": classes}
    if spec.pretrained_cfg is not None:
        options["pretrained_cfg"] = dict(spec.pretrained_cfg)
    with model_errors(f"timm cannot build '{spec.architecture}':", where=spec.where):
        module = timm.create_model(spec.architecture, **options)
    return cast(nn.Module, module)


def pretrained_config(name: str) -> dict[str, Any]:
    """Return timm's description of an architecture's weights; empty if there is none."""
    config = get_pretrained_cfg(name, allow_unregistered=True)
    return config.to_dict() if config is not None else {}


def with_grey_input(chosen: BuildSpec, state: Mapping[str, Tensor]) -> BuildSpec:
    """Return the settings for one channel if the first convolution of the weights has one."""
    config = chosen.pretrained_cfg or pretrained_config(chosen.architecture)
    first = f"{config.get('first_conv')}.weight"
    weight = next((tensor for name, tensor in state.items() if name.endswith(first)), None)
    if weight is None or weight.ndim != 4 or weight.shape[1] != 1:
        return chosen
    values = {} if chosen.config is None else dict(chosen.config.values)
    size = values.get("input_size") or config.get("input_size") or (1, DEFAULT_SIZE, DEFAULT_SIZE)
    source = chosen.source if chosen.config is None else chosen.config.source
    grey = PreprocessingConfig(values | {"input_size": (1, *size[1:])}, source)
    return replace(chosen, arguments={**chosen.arguments, "in_chans": 1}, config=grey)


def convert_names(state: Mapping[str, Tensor], module: nn.Module) -> dict[str, Tensor] | None:
    """Convert the names of an architecture's original release to timm's, as timm itself does.

    Args:
        state: tensors by name.
        module: the architecture.

    Returns:
        Tensors by timm's names; None if timm has no conversion, or one that would change tensors, for example
        resample position embeddings for another image size.
    """
    convert = getattr(sys.modules[type(module).__module__], "checkpoint_filter_fn", None)
    try:
        renamed = None if convert is None else convert(dict(state), module)
    except Exception:  # noqa: BLE001  written for other state dicts than this one
        return None
    if not isinstance(renamed, Mapping) or renamed.keys() == state.keys():
        return None
    sizes = {tensor.numel() for tensor in state.values()}
    is_unchanged = all(isinstance(tensor, Tensor) and tensor.numel() in sizes for tensor in renamed.values())
    return dict(renamed) if is_unchanged else None


def fitting_architecture(state: Mapping[str, Tensor], *, near: Iterable[str]) -> str | None:
    """Return the first timm architecture that a state dict fits, whatever its number of classes.

    The search covers names that differ from `near` in numbers and size words, similar names, then `POPULAR`.
    All of timm would take minutes; the search ends after `SEARCH_SECONDS`.

    Args:
        state: tensors by name.
        near: words similar to the name, such as the architecture as given, or the file name.

    Returns:
        A timm name, or None.
    """
    deadline = time.monotonic() + SEARCH_SECONDS
    known: list[str] = timm.list_models()
    candidates: list[str] = []
    for word in near:
        name = word.partition(".")[0][:MAX_LENGTH].lower()
        family = _SIZE.sub("#", name)
        candidates += [other for other in known if _SIZE.sub("#", other) == family]
        candidates += difflib.get_close_matches(name, known, n=12)
    for name in dict.fromkeys([*candidates, *POPULAR]):
        if time.monotonic() > deadline:
            break
        module = None
        with suppress(Exception), quiet(), torch.device("meta"):  # one that cannot be built is skipped
            module = timm.create_model(name)
        if module is not None and match_prefix(state, module).is_fitting:
            return name
    return None


def base_name(name: str) -> str:
    """Return timm's own name of an architecture, without the pretrained tag."""
    config = get_pretrained_cfg(name)
    return str(config.architecture) if config is not None and config.architecture else name.partition(".")[0]


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


def match_prefix(state: Mapping[str, Tensor], module: nn.Module) -> StateDictMatch:
    """Find the prefix without which a state dict fits a module.

    Wrappers add prefixes such as `module.`, `model.`, `_orig_mod.` or the attribute of a Lightning module.
    Tensors outside of the prefix are left out if their names belong to losses, metrics, teachers or averages.
    Any others keep the state dict from fitting, since they might be part of the model.

    Args:
        state: tensors by name.
        module: a timm module, perhaps on the meta device. The last layers that its `pretrained_cfg` names may
            differ in the number of classes.

    Returns:
        The first match that fits, else the one with the fewest differences.
    """
    infixes = tuple(infix for infix in INFIXES if any(infix in name for name in state))
    bare = dict(state)
    for infix in infixes:
        bare = {name.replace(infix, ""): tensor for name, tensor in bare.items()}
    if len(bare) < len(state):  # two names became one
        infixes = ()
        bare = dict(state)
    ours = {name: tensor.shape for name, tensor in module.state_dict().items()}
    names = getattr(module, "pretrained_cfg", {}).get("classifier") or ()
    classifier = (names,) if isinstance(names, str) else tuple(names)
    prefixes = ["", *_prefixes(bare, ours)][:MAX_PREFIXES]
    matches = {prefix: _match_without(prefix, bare, ours, classifier) for prefix in prefixes}
    first, *others = [prefix for prefix in prefixes if matches[prefix].is_fitting] or [
        min(prefixes, key=lambda prefix: matches[prefix].differences)
    ]
    return replace(matches[first], removed=tuple(filter(None, (first, *infixes))), rivals=tuple(others))


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
