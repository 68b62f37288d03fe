"""timm's architectures: making one, naming the nearest, finding the one that a checkpoint fits."""

from __future__ import annotations

import difflib
import re
import sys
import time
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, cast

import timm
import torch
from timm.models import get_pretrained_cfg, is_model, is_model_pretrained
from torch import Tensor, nn

from quba_check.errors import ModelError
from quba_check.models.checkpoints.key_prefixes import match_prefix
from quba_check.models.classifier import described
from quba_check.models.preprocessing.config import key_text

SEARCH_SECONDS = 8.0
LONGEST = 100
"""Largest number of characters compared with names."""
_OF_WEIGHTS = ("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir")
"""Arguments of timm's that say which weights it reads: here the weights are those of the file."""
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
    *(
        "mixer_b16_224",
        "eva02_base_patch14_448",
        "beit_base_patch16_224",
        "maxvit_tiny_tf_224",
        "ghostnet_100",
    ),
)
"""Where the search for a fitting architecture goes after the names that are near to what was typed."""


def check_architecture(name: str, *, where: str) -> None:
    """Check that timm knows an architecture.

    Args:
        name: a timm name, with or without a pretrained tag (`resnet50`, `resnet50.a1_in1k`).
        where: the beginning of the message.

    Raises:
        ModelError: timm knows no such architecture, or not with this tag; the nearest names are given.
    """
    if not is_model(name):
        raise ModelError(
            f"{where}: unknown architecture {_quoted(name)}. Allowed: the models of timm {timm.__version__}."
            f"{_question(nearest_architectures(name))}"
        )
    base, _, tag = name.partition(".")
    tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{base}.*")]
    if tag and tag not in tags:
        allowed = f"Allowed: {', '.join(tags)}." if tags else f"There are no pretrained weights for {base}."
        raise ModelError(f"{where}: '{base}' has no pretrained tag '{tag}'. {allowed}")


def is_architecture(name: str) -> bool:
    """Whether timm knows an architecture, with or without a pretrained tag."""
    return bool(is_model(name))


def nearest_architectures(name: str, count: int = 3) -> list[str]:
    """Up to `count` timm names that look like a word, best first."""
    return difflib.get_close_matches(
        name.partition(".")[0][:LONGEST].lower(), timm.list_models(), n=count, cutoff=0.6
    )


def siblings(name: str) -> list[str]:
    """The names in timm that differ from a name in nothing but numbers and size words.

    >>> "swin_base_patch4_window12_384" in siblings("swin_tiny_patch4_window7_224")
    True
    """
    family = _SIZE.sub("#", name.partition(".")[0].lower())
    return [other for other in timm.list_models() if _SIZE.sub("#", other) == family]


def architecture(
    name: str,
    *,
    classes: int,
    where: str = "--quba-arch",
    pretrained_cfg: Mapping[str, Any] | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> nn.Module:
    """A timm architecture without pretrained weights, with a head for `classes` classes.

    Args:
        name: timm name.
        classes: number C of classes.
        where: who names it, for the message.
        pretrained_cfg: description of the weights in place of timm's own for this name.
        arguments: what else it is built with, such as `img_size`; what would name weights is passed over.

    Raises:
        ModelError: timm cannot build it here, for example for lack of a package.
    """
    how: dict[str, Any] = {
        name: value for name, value in (arguments or {}).items() if name not in _OF_WEIGHTS
    }
    how["num_classes"] = classes
    if pretrained_cfg is not None:
        how["pretrained_cfg"] = dict(pretrained_cfg)
    try:
        return cast(nn.Module, timm.create_model(name, pretrained=False, **how))
    except Exception as error:
        raise ModelError(f"{where}: timm cannot build '{name}' ({described(error)}).") from error


def pretrained_config(name: str) -> dict[str, Any]:
    """The description that timm has of the weights of a name."""
    config = get_pretrained_cfg(name, allow_unregistered=True)
    return config.to_dict() if config is not None else {}


def pretrained(name: str, *, spec: str) -> nn.Module:
    """A timm model with its pretrained weights, from the Hugging Face cache or downloaded.

    Raises:
        ModelError: timm does not know it, has no weights for it, or cannot get them here.
    """
    check_architecture(name, where=spec)
    if not is_model_pretrained(name):
        raise ModelError(
            f"{spec}: timm has no pretrained weights for '{name}'. "
            f"Give a checkpoint file and --quba-arch={name}."
        )
    try:
        return cast(nn.Module, timm.create_model(name, pretrained=True))
    except Exception as error:  # the hub's, the network's and the file system's errors share no base
        raise ModelError(
            f"{spec}: its pretrained weights could not be loaded ({described(error)}). "
            f"Without a network give a checkpoint file and --quba-arch={name.partition('.')[0]}."
        ) from error


def converted(state: Mapping[str, Tensor], module: nn.Module) -> dict[str, Tensor] | None:
    """A state dict of an architecture's first release under timm's names, as timm itself converts it.

    Args:
        state: tensors by name.
        module: the architecture that they are meant for.

    Returns:
        Tensors by timm's names; None where timm has no conversion, or one that would change tensors, such as
        position embeddings resampled for another image size.
    """
    convert = getattr(sys.modules[type(module).__module__], "checkpoint_filter_fn", None)
    try:
        found = None if convert is None else convert(dict(state), module)
    except Exception:  # noqa: BLE001  made for other state dicts than this one
        return None
    if not isinstance(found, Mapping) or found.keys() == state.keys():
        return None
    sizes = {tensor.numel() for tensor in state.values()}
    kept = all(isinstance(tensor, Tensor) and tensor.numel() in sizes for tensor in found.values())
    return dict(found) if kept else None


def classifier_layers(module: nn.Module) -> tuple[str, ...]:
    """Names of the last layers of a timm module, as its `pretrained_cfg` states them."""
    config: Mapping[str, Any] = getattr(module, "pretrained_cfg", {})
    names = config.get("classifier") or ()
    return (names,) if isinstance(names, str) else tuple(names)


def fitting_architecture(
    state: Mapping[str, Tensor], *, near: Iterable[str], seconds: float = SEARCH_SECONDS
) -> str | None:
    """The first timm architecture into which a state dict fits, whatever number of classes its head has.

    Looked through are siblings of `near` and names near to it, then `POPULAR`; not all of timm's, which would
    take minutes.

    Args:
        state: tensors by name.
        near: words that may resemble the name, such as the architecture that was given, or the file name.
        seconds: time after which the search gives up.

    Returns:
        A timm name, or None.
    """
    deadline = time.monotonic() + seconds
    candidates = [name for word in near for name in (*siblings(word), *nearest_architectures(word, 12))]
    for name in dict.fromkeys([*candidates, *POPULAR]):
        if time.monotonic() > deadline:
            return None
        module = _outline(name)
        if module is not None:
            layers = classifier_layers(module)
            found = match_prefix(state, module, layers).fit
            if found.is_perfect or found.head(layers) is not None:
                return name
    return None


def base_name(name: str) -> str:
    """A timm name without its pretrained tag, by which timm itself calls the architecture."""
    config = get_pretrained_cfg(name)
    return str(config.architecture) if config is not None and config.architecture else name.partition(".")[0]


def _quoted(name: str) -> str:
    return f"'{name}'" if name == key_text(name) else key_text(name)


def _question(near: list[str]) -> str:
    quoted = [f"'{name}'" for name in near]
    return f" Did you mean {' or '.join(filter(None, [', '.join(quoted[:-1]), quoted[-1]]))}?" if near else ""


def _outline(name: str) -> nn.Module | None:
    """An architecture without memory for its tensors; None for those that cannot be made so."""
    try:
        with warnings.catch_warnings(), torch.device("meta"):
            warnings.simplefilter("ignore")
            return cast(nn.Module, timm.create_model(name))
    except Exception:  # noqa: BLE001  a candidate that cannot be outlined is none
        return None
