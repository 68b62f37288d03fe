"""`hf-hub:OWNER/NAME`: models that timm can load from the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import timm
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from torch import nn

from quba_check.core.head import Head
from quba_check.errors import ModelError
from quba_check.models.checkpoints.architecture_choice import build_spec_of_config
from quba_check.models.checkpoints.build import check_head
from quba_check.models.checkpoints.hub_config import NAME, read_config
from quba_check.models.classifier import described
from quba_check.models.network import LoadedModule


def network_of_hub(name: str, *, spec: str, head: Head) -> LoadedModule:
    """A model of the Hugging Face Hub, from its cache or downloaded.

    Args:
        name: `OWNER/NAME`, with `@REVISION` where it is not the newest one that is wanted.
        spec: the model's spec, for messages.
        head: the outputs that the suite expects.

    Raises:
        ModelError: there is no such model, it is not timm's, it cannot be got here, or has other classes.
    """
    config = read_config(_config_file(name, spec), spec=spec)
    plan = build_spec_of_config(config, spec)
    if config.classes is not None:
        check_head(config.classes, head, f"{spec}: the model")
    try:
        created = timm.create_model(f"hf-hub:{name}", pretrained=True, pretrained_cfg_overlay=_PLAIN_WEIGHTS)
        module = cast(nn.Module, created)
    except Exception as error:  # the hub's, the network's and the file system's errors share no base
        raise ModelError(f"{spec}: its weights could not be loaded ({described(error)}). {_ELSE}") from error
    return LoadedModule(module, plan.architecture, configs=(plan.config,) if plan.config else ())


_ELSE = "Without a network give a folder with config.json and the weights."
_PLAIN_WEIGHTS = {"hf_hub_filename": None, "custom_load": False}
"""In place of what a config says of its weights: older releases of timm unpickle a file that it names, which
runs code. Those under the usual names are read as weights alone."""


def _config_file(name: str, spec: str) -> Path:
    repository, _, revision = name.partition("@")
    try:
        return Path(hf_hub_download(repository, NAME, revision=revision or None))
    except HFValidationError:
        raise ModelError(f"{spec}: is no name of a model on the Hub. Allowed: hf-hub:OWNER/NAME.") from None
    except LocalEntryNotFoundError as error:
        raise ModelError(
            f"{spec}: it is not in the cache of the Hugging Face Hub, and the Hub cannot be reached. {_ELSE}"
        ) from error
    except EntryNotFoundError as error:
        raise ModelError(f"{spec}: has no {NAME}, so it is no model of timm's.") from error
    except RevisionNotFoundError as error:
        raise ModelError(f"{spec}: there is no revision '{revision}' of {repository} on the Hub.") from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"{spec}: there is no {repository} on the Hub, or you may not read it (hf auth login)."
        ) from error
    except Exception as error:
        raise ModelError(f"{spec}: the Hub did not answer ({described(error)}). {_ELSE}") from error
