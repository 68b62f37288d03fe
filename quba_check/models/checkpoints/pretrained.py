"""Published timm models, with weights of the Hugging Face Hub: `timm:NAME` and `hf-hub:OWNER/NAME`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import timm
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from timm.models import is_model_pretrained

from quba_check.errors import ModelError
from quba_check.models.checkpoints.architecture_choice import build_spec_of_config
from quba_check.models.checkpoints.build import check_head, read_own_config
from quba_check.models.checkpoints.hub_config import NAME
from quba_check.models.checkpoints.timm_architectures import check_architecture, pretrained_config
from quba_check.models.classifier import error_summary
from quba_check.models.loaded_module import LoadedModule
from quba_check.models.model_files import load_cached
from quba_check.models.request import LoadRequest
from quba_check.models.specs import ModelSpec

_OFFLINE = "Without a network give a folder with config.json and the weights."
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
            f"{spec.text}: timm has no pretrained weights for '{name}'. "
            f"Give a checkpoint file and --quba-arch={name}."
        )
    try:
        module, files = load_cached(
            partial(timm.create_model, name, pretrained=True), pretrained_config(name)
        )
    except ModelError:
        raise
    except Exception as error:  # the hub's, the network's and the file system's errors share no base
        raise ModelError(
            f"{spec.text}: its pretrained weights could not be loaded ({error_summary(error)}). "
            f"Without a network give a checkpoint file and --quba-arch={name.partition('.')[0]}."
        ) from error
    head = request.expected_head
    check_head(getattr(module, "num_classes", head.size), head, f"{spec.text}: the model")
    return LoadedModule(module, name, files=files)


def load_hub(spec: ModelSpec, request: LoadRequest) -> LoadedModule:
    """Load a model of the Hugging Face Hub, from its cache or downloaded.

    Args:
        spec: the model, named `OWNER/NAME`, or `OWNER/NAME@REVISION` for an older revision.
        request: how it is loaded.

    Raises:
        ModelError: there is no such model, it is not timm's, it cannot be loaded here, or it has other
            classes.
    """
    config = read_own_config(_config_file(spec.name, spec.text), spec, request.expected_head)
    build_spec = build_spec_of_config(config, spec.text)
    load = partial(
        timm.create_model, f"hf-hub:{spec.name}", pretrained=True, pretrained_cfg_overlay=_PLAIN_WEIGHTS
    )
    try:
        module, weights = load_cached(load, {"hf_hub_id": spec.name})
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(
            f"{spec.text}: its weights could not be loaded ({error_summary(error)}). {_OFFLINE}"
        ) from error
    return LoadedModule(
        module,
        config.architecture,
        configs=(build_spec.config,) if build_spec.config else (),
        files=(*weights, config.file) if weights else (),
    )


def _config_file(name: str, spec: str) -> Path:
    repository, _, revision = name.partition("@")
    try:
        return Path(hf_hub_download(repository, NAME, revision=revision or None))
    except HFValidationError:
        raise ModelError(f"{spec}: not the name of a model on the Hub. Allowed: hf-hub:OWNER/NAME.") from None
    except LocalEntryNotFoundError as error:
        raise ModelError(
            f"{spec}: it is not in the cache of the Hugging Face Hub, and the Hub cannot be reached. "
            f"{_OFFLINE}"
        ) from error
    except EntryNotFoundError as error:
        raise ModelError(f"{spec}: has no {NAME}, so it is not a timm model.") from error
    except RevisionNotFoundError as error:
        raise ModelError(f"{spec}: there is no revision '{revision}' of {repository} on the Hub.") from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"{spec}: there is no {repository} on the Hub, or you may not read it (hf auth login)."
        ) from error
    except Exception as error:
        raise ModelError(f"{spec}: the Hub did not answer ({error_summary(error)}). {_OFFLINE}") from error
