"""Choice of a checkpoint's architecture: option, file, or `config.json` next to it."""

from __future__ import annotations

from dataclasses import replace

import timm
from timm.models import is_model

from quba_check.errors import ModelError
from quba_check.models.checkpoints.facts import CheckpointFacts
from quba_check.models.checkpoints.timm_architectures import (
    OPTION,
    BuildSpec,
    base_name,
    fitting_architecture,
    pretrained_config,
)
from quba_check.models.checkpoints.training_metadata import (
    config_from_checkpoint,
    model_arguments,
    named_architectures,
)
from quba_check.models.specs import WITH_CODE


def choose_architecture(facts: CheckpointFacts, option: str | None) -> BuildSpec:
    """Return the architecture and settings of a checkpoint.

    A folder's `config.json` decides. For a file it is used if nothing else names an architecture, or if the
    option names the same.

    Args:
        facts: the content of its files.
        option: the value of `--quba-arch`, which has precedence over names in a file.

    Raises:
        ModelError: no known architecture is named.
    """
    spec, config, contents = facts.spec.text, facts.config, facts.checkpoint.metadata
    names = named_architectures(contents)
    stated, place = next((name for name in names if is_model(name[0])), ("", ""))
    if config is not None and facts.spec.kind == "folder":
        return config
    if config is not None and option and base_name(option) == base_name(config.architecture):
        return config
    if config is not None and not option and not stated:
        note = f"the architecture is {config.architecture}, as {config.where} states"
        return replace(config, notes=(note,))
    name, where, notes = option or stated, OPTION if option else f"{place} in {spec}", []
    if not name:
        unknown = [f"of '{architecture}', which timm {timm.__version__} lacks" for architecture, _ in names]
        fitting = fitting_architecture(
            facts.checkpoint.state, near=[facts.stem, *(name[0] for name in names)]
        )
        hint = f" Its keys fit {OPTION}={fitting}." if fitting else ""
        raise ModelError(
            f"{spec}: holds weights {unknown[0] if names else 'alone'}, so name their architecture in timm, "
            f"{OPTION}=NAME, or {WITH_CODE}.{hint}"
        )
    if not option:
        notes = [f"the architecture is {name}, as {where} states"]
    elif stated and base_name(stated) != base_name(option):
        notes = [f"{OPTION}={option} is used, though {place} in {spec} names {stated}"]
    metadata, unusable = config_from_checkpoint(contents, spec=spec)
    arguments = model_arguments(contents)
    if metadata is not None and pretrained_config(name).get("fixed_input_size"):
        size = metadata.values.get("input_size")
        arguments |= {"img_size": size[1:]} if size and "img_size" not in arguments else {}
    return BuildSpec(name, where, arguments, metadata, notes=(*notes, *unusable))
