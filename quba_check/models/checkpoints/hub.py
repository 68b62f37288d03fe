"""Published timm models, and the `config.json` that timm writes next to weights."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

import timm
from huggingface_hub import hf_hub_download
from timm.models import PretrainedCfg, is_model_pretrained

from quba_check.core.classes import Head
from quba_check.errors import HeadError, ModelError
from quba_check.models.checkpoints.timm_architectures import (
    BuildSpec,
    base_name,
    check_architecture,
    pretrained_config,
)
from quba_check.models.errors import model_errors
from quba_check.models.loaded_module import LoadedModule, load_cached, model_files
from quba_check.models.preprocessing.config import short_repr
from quba_check.models.request import LoadRequest
from quba_check.models.specs import CONFIG, WITH_CODE, ModelSpec
from quba_check.storage.user_files import read_json

_KNOWN = {field.name for field in dataclasses.fields(PretrainedCfg)}
_OFFLINE = "could not be loaded (without a network give a folder with config.json and the weights):"
_PLAIN_WEIGHTS = {"hf_hub_filename": None, "custom_load": False}
"""Overrides the weights file that a config names: older releases of timm unpickle such a file, which runs
code. Weights under the usual names are read as tensors alone."""


def load_timm(spec: ModelSpec, request: LoadRequest) -> LoadedModule:
    """Load a timm model with pretrained weights, from the Hugging Face cache or downloaded.

    Raises:
        ModelError: timm does not know it, has no weights for it, cannot load them here, or it has other
            classes.
    """
    name = spec.name
    check_architecture(name, where=spec.text)
    if not is_model_pretrained(name):
        raise ModelError(
            f"timm has no pretrained weights for '{name}'. Give a checkpoint file and --quba-arch={name}.",
            where=spec.text,
        )
    create = partial(timm.create_model, name, pretrained=True)
    with model_errors(
        "its pretrained weights could not be loaded (without a network give a checkpoint file and "
        f"--quba-arch={name.partition('.')[0]}):",
        where=spec.text,
    ):
        module, files = load_cached(create, pretrained_config(name))
    head = request.expected_head
    check_head(getattr(module, "num_classes", head.size), head, spec.text, "the model")
    return LoadedModule(module, base_name(name), f"timm's {name}", files=files)


def load_hub(spec: ModelSpec, request: LoadRequest) -> LoadedModule:
    """Load a model of the Hugging Face Hub, from its cache or downloaded.

    Args:
        spec: the model, named `OWNER/NAME`, or `OWNER/NAME@REVISION` for an older revision.
        request: how it is loaded.

    Raises:
        ModelError: there is no such model, it is not timm's, it cannot be loaded here, or it has other
            classes.
    """
    repository, _, revision = spec.name.partition("@")
    with model_errors(f"its {CONFIG} {_OFFLINE}", where=spec.text):
        path = Path(hf_hub_download(repository, CONFIG, revision=revision or None))
    config = read_config(path, spec=spec.text, head=request.expected_head)
    load = partial(
        timm.create_model, f"hf-hub:{spec.name}", pretrained=True, pretrained_cfg_overlay=_PLAIN_WEIGHTS
    )
    with model_errors(f"its weights {_OFFLINE}", where=spec.text):
        module, weights = load_cached(load, {"hf_hub_id": spec.name})
    return LoadedModule(
        module,
        base_name(config.architecture),
        config.source,
        files=(*weights, config.file) if config.file else weights,
    )


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
    config = read_json(path, f"{spec}: {CONFIG}", ModelError)
    if not isinstance(config, dict) or not isinstance(config.get("architecture"), str):
        raise ModelError(
            f"{spec}: its {CONFIG} is not timm's, the key 'architecture' is missing. For a model of another "
            f"library, write a function that returns its logits, and {WITH_CODE}."
        )
    check_architecture(config["architecture"], where=f"{spec}: {CONFIG}")
    own = config.get("pretrained_cfg")
    pretrained_cfg = {**(own if isinstance(own, dict) else config)}
    for name in ("num_classes", "label_names", "label_descriptions"):
        if config.get(name) is not None:
            pretrained_cfg[name] = config[name]
    classes = pretrained_cfg.get("num_classes")
    if classes is not None and (type(classes) is not int or classes < 0):
        problem, got = f"{CONFIG}: num_classes cannot be used", short_repr(classes)
        raise ModelError(problem, where=spec, got=got, allowed="a whole number")
    if classes is not None and head is not None:
        check_head(classes, head, spec, "the model")
    return BuildSpec(
        config["architecture"],
        f"{CONFIG} of {spec}",
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
