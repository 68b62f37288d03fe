"""`config.json` as timm writes it for the Hugging Face Hub: architecture, classes, preprocessing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timm.models import PretrainedCfg

from quba_check.errors import ModelError
from quba_check.models.model_files import ModelFile, model_files
from quba_check.models.preprocessing.config import PreprocessingConfig, key_text, short_repr
from quba_check.models.preprocessing.preprocessing import timm_config
from quba_check.storage.user_files import read_json

NAME = "config.json"
_KNOWN = {field.name for field in dataclasses.fields(PretrainedCfg)}


@dataclass(frozen=True, slots=True)
class HubConfig:
    """A `config.json` of timm.

    Attributes:
        architecture: timm name.
        classes: number of classes; None if not stated.
        model_args: arguments of the architecture.
        pretrained_cfg: timm's description of the weights.
        file: the file.
    """

    architecture: str
    classes: int | None
    model_args: Mapping[str, Any]
    pretrained_cfg: Mapping[str, Any]
    file: ModelFile

    def preprocessing(self, *, spec: str) -> PreprocessingConfig:
        """Return the preprocessing that it states."""
        return timm_config(self.pretrained_cfg, where=f"{spec}: {NAME}", source=f"{NAME} of {spec}")


def read_config(path: Path, *, spec: str) -> HubConfig:
    """Read a `config.json`.

    Args:
        path: the file.
        spec: the model's spec, for messages.

    Raises:
        ModelError: it is not JSON, not timm's (but that of transformers, for example), names no architecture,
            or has an invalid number of classes.
    """
    (file,) = model_files(path)
    config = read_json(path, f"{spec}: {NAME}", ModelError)
    if not isinstance(config, dict) or not isinstance(config.get("architecture"), str):
        raise ModelError(f"{spec}: {_foreign_config(config)}")
    own = config.get("pretrained_cfg")
    pretrained_cfg = {**(own if isinstance(own, dict) else config)}
    for name in ("num_classes", "label_names", "label_descriptions"):
        if config.get(name) is not None:
            pretrained_cfg[name] = config[name]
    classes = pretrained_cfg.get("num_classes")
    if classes is not None and (isinstance(classes, bool) or not isinstance(classes, int) or classes < 0):
        raise ModelError(
            f"{spec}: {NAME}: num_classes cannot be used, got {short_repr(classes)}. Allowed: a whole number."
        )
    return HubConfig(
        architecture=config["architecture"],
        classes=classes,
        model_args=arguments if isinstance(arguments := config.get("model_args"), dict) else {},
        pretrained_cfg={name: value for name, value in pretrained_cfg.items() if name in _KNOWN},
        file=file,
    )


def _foreign_config(config: object) -> str:
    if isinstance(config, dict) and ("architectures" in config or "model_type" in config):
        names = config.get("architectures")
        name = names[0] if names and isinstance(names, list) else config.get("model_type")
        return (
            f"its {NAME} is that of a transformers model ({key_text(name)}), and timm's is needed. Write a "
            "function that returns the model's logits, and give package.module:callable."
        )
    return f"its {NAME} is not timm's, the key 'architecture' is missing."
