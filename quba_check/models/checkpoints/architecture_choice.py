"""Choice of a checkpoint's architecture: option, file, or `config.json` next to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import timm
from timm.models import is_model

from quba_check.errors import ModelError
from quba_check.models.checkpoints.hub_config import NAME, HubConfig
from quba_check.models.checkpoints.reading import Checkpoint
from quba_check.models.checkpoints.timm_architectures import (
    base_name,
    check_architecture,
    fitting_architecture,
    pretrained_config,
)
from quba_check.models.checkpoints.training_metadata import (
    config_from_checkpoint,
    model_arguments,
    named_architectures,
)
from quba_check.models.model_files import ModelFile
from quba_check.models.preprocessing.config import PreprocessingConfig
from quba_check.models.specs import WITH_CODE, ModelSpec

OPTION = "--quba-arch"


@dataclass(frozen=True, slots=True)
class CheckpointFacts:
    """The content of a checkpoint's files.

    Attributes:
        spec: the model.
        where: the weights, for messages.
        file: the file with the weights.
        checkpoint: its content.
        config: timm's `config.json` of the folder; None if missing or foreign.
    """

    spec: ModelSpec
    where: str
    file: ModelFile
    checkpoint: Checkpoint
    config: HubConfig | None


@dataclass(frozen=True, slots=True)
class BuildSpec:
    """An architecture and the settings that a module is built with.

    Attributes:
        architecture: timm name.
        where: origin of the name, for messages.
        config: preprocessing that overrides the architecture's own.
        pretrained_cfg: description of the weights that replaces the architecture's own.
        arguments: arguments of the architecture.
        notes: notes for the record.
        file: the `config.json` with these settings; None if they have another origin.
    """

    architecture: str
    where: str
    config: PreprocessingConfig | None = None
    pretrained_cfg: Mapping[str, Any] | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    file: ModelFile | None = None


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
    spec, config, about = facts.spec.text, facts.config, facts.checkpoint.about
    if facts.spec.kind == "folder" and config is not None:
        return build_spec_of_config(config, spec)
    names = named_architectures(about)
    stated = next((name for name in names if is_model(name.architecture)), None)
    names_same = (
        option is not None and config is not None and base_name(option) == base_name(config.architecture)
    )
    if config is not None and (names_same or (option is None and stated is None)):
        chosen = build_spec_of_config(config, f"the folder of {spec}")
        note = f"the architecture is {chosen.architecture}, as {chosen.where} states"
        return replace(chosen, where=OPTION) if option else replace(chosen, notes=(note,))
    note = ""
    if option is not None:
        name, where = option, OPTION
        if stated is not None and base_name(stated.architecture) != base_name(option):
            note = f"{OPTION}={option} is used, though {stated.where} in {spec} names {stated.architecture}"
    elif stated is not None:
        name, where = stated.architecture, f"{stated.where} in {spec}"
        note = f"the architecture is {name}, as {where} states"
    else:
        unknown = [name.architecture for name in names]
        near = [facts.file.path.name.partition(".")[0], *unknown]
        fitting = fitting_architecture(facts.checkpoint.state, near=near)
        hint = f" Its keys fit {OPTION}={fitting}." if fitting else ""
        problem = "holds weights alone, so name their architecture in timm"
        if names:
            problem = (
                f"{names[0].where} in it says '{unknown[0]}', which is not a model of timm "
                f"{timm.__version__}; name one of timm's"
            )
        raise ModelError(f"{spec}: {problem}, {OPTION}=NAME, or {WITH_CODE}.{hint}")
    metadata, arguments = config_from_checkpoint(about, spec=spec), model_arguments(about)
    if metadata.config is not None and pretrained_config(name).get("fixed_input_size"):
        size = metadata.config.values.get("input_size")
        arguments |= {"img_size": size[1:]} if size and "img_size" not in arguments else {}
    notes = (*([note] if note else []), *metadata.notes)
    return BuildSpec(name, where, metadata.config, None, arguments, notes)


def build_spec_of_config(config: HubConfig, spec: str) -> BuildSpec:
    """Return the architecture and settings in timm's `config.json`.

    Raises:
        ModelError: timm does not know the architecture.
    """
    check_architecture(config.architecture, where=f"{spec}: {NAME}")
    return BuildSpec(
        architecture=config.architecture,
        where=f"{NAME} of {spec}",
        config=config.preprocessing(spec=spec),
        pretrained_cfg=config.pretrained_cfg,
        arguments=config.model_args,
        file=config.file,
    )
