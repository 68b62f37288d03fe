"""Published timm models, with weights of the Hugging Face Hub: `timm:NAME` and `hf-hub:OWNER/NAME`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import timm
from huggingface_hub import hf_hub_download
from timm.models import is_model_pretrained

from quba_check.errors import ModelError
from quba_check.models.checkpoints.hub_config import NAME, check_head, read_config
from quba_check.models.checkpoints.timm_architectures import base_name, check_architecture, pretrained_config
from quba_check.models.classifier import model_errors
from quba_check.models.loaded_module import LoadedModule
from quba_check.models.model_files import load_cached
from quba_check.models.request import LoadRequest
from quba_check.models.specs import ModelSpec

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
    with model_errors(f"its {NAME} {_OFFLINE}", where=spec.text):
        path = Path(hf_hub_download(repository, NAME, revision=revision or None))
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
