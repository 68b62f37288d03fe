"""`config.json` as timm writes it for the Hugging Face Hub: architecture, classes, preprocessing."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from timm.models import PretrainedCfg

from quba_check.core.head import Head
from quba_check.errors import HeadError, ModelError
from quba_check.models.checkpoints.timm_architectures import BuildSpec, check_architecture
from quba_check.models.model_files import model_files
from quba_check.models.preprocessing.config import short_repr
from quba_check.models.specs import WITH_CODE
from quba_check.storage.user_files import read_json

NAME = "config.json"
_KNOWN = {field.name for field in dataclasses.fields(PretrainedCfg)}


def read_config(path: Path, *, spec: str, head: Head | None = None) -> BuildSpec:
    """Read a `config.json`.

    Args:
        path: the file.
        spec: its folder or repository, for messages.
        head: the outputs that the model must have; None accepts any.

    Raises:
        ModelError: it is not JSON, not timm's (but that of transformers, for example), names an architecture
            that timm does not know, or has an invalid number of classes.
        HeadError: it states another number of classes than the suite.
    """
    (file,) = model_files(path)
    config = read_json(path, f"{spec}: {NAME}", ModelError)
    if not isinstance(config, dict) or not isinstance(config.get("architecture"), str):
        raise ModelError(
            f"{spec}: its {NAME} is not timm's, the key 'architecture' is missing. For a model of another "
            f"library, write a function that returns its logits, and {WITH_CODE}."
        )
    check_architecture(config["architecture"], where=f"{spec}: {NAME}")
    own = config.get("pretrained_cfg")
    pretrained_cfg = {**(own if isinstance(own, dict) else config)}
    for name in ("num_classes", "label_names", "label_descriptions"):
        if config.get(name) is not None:
            pretrained_cfg[name] = config[name]
    classes = pretrained_cfg.get("num_classes")
    if classes is not None and (type(classes) is not int or classes < 0):
        raise ModelError(
            f"{spec}: {NAME}: num_classes cannot be used, got {short_repr(classes)}. Allowed: a whole number."
        )
    if classes is not None and head is not None:
        check_head(classes, head, spec, "the model")
    return BuildSpec(
        config["architecture"],
        f"{NAME} of {spec}",
        arguments if isinstance(arguments := config.get("model_args"), dict) else {},
        pretrained_cfg={name: value for name, value in pretrained_cfg.items() if name in _KNOWN},
        file=file,
    )


def check_head(theirs: int, head: Head, where: str, what: str) -> None:
    """Check that a model has the number of outputs expected by the suite.

    Raises:
        HeadError: it has another number.
    """
    if theirs != head.size:
        problem, hint = f"{what} has {theirs} classes, {head.expected}.", head.advice(theirs)
        raise HeadError(problem, where=where, hint=hint, theirs=theirs, classes=head.size)
