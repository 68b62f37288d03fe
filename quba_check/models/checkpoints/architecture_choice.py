"""Choice of a checkpoint's architecture: option, file, or `config.json` next to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import timm
from timm.models import is_model

from quba_check.errors import ModelError
from quba_check.models.checkpoints.hub_config import NAME, HubConfig, read_config
from quba_check.models.checkpoints.reading import Checkpoint
from quba_check.models.checkpoints.timm_architectures import (
    base_name,
    check_architecture,
    fitting_architecture,
    pretrained_config,
)
from quba_check.models.checkpoints.training_metadata import (
    NamedArchitecture,
    config_from_checkpoint,
    model_arguments,
    named_architectures,
)
from quba_check.models.model_files import ModelFile, model_files
from quba_check.models.preprocessing.config import PreprocessingConfig
from quba_check.models.specs import WITH_CODE

OPTION = "--quba-arch"


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
    where: str = OPTION
    config: PreprocessingConfig | None = None
    pretrained_cfg: Mapping[str, Any] | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    file: ModelFile | None = None


def build_spec_of_file(checkpoint: Checkpoint, path: Path, *, spec: str, option: str | None) -> BuildSpec:
    """Return the architecture and settings of a checkpoint file.

    Args:
        checkpoint: its content.
        path: the file; timm's `config.json` next to it is used if nothing else names an architecture.
        spec: the model's spec, for messages.
        option: the value of `--quba-arch`, which has precedence.

    Raises:
        ModelError: no known architecture is named.
    """
    config, file = _config_next_to(path, spec)
    names = named_architectures(checkpoint.about)
    timm_name = next((name for name in names if is_model(name.architecture)), None)
    if option is not None:
        if config is not None and base_name(option) == base_name(config.architecture):
            build_spec = build_spec_of_config(config, f"the folder of {spec}")
            return replace(build_spec, where=OPTION, file=file)
        if timm_name is None or base_name(timm_name.architecture) == base_name(option):
            return _build_spec_of_name(option, OPTION, checkpoint, spec)
        note = f"{OPTION}={option} is used, though {timm_name.where} in {spec} names {timm_name.architecture}"
        return _build_spec_of_name(option, OPTION, checkpoint, spec, note)
    if timm_name is not None:
        where = f"{timm_name.where} in {spec}"
        note = f"the architecture is {timm_name.architecture}, as {where} states"
        return _build_spec_of_name(timm_name.architecture, where, checkpoint, spec, note)
    if config is not None:
        build_spec = build_spec_of_config(config, f"the folder of {spec}")
        note = f"the architecture is {build_spec.architecture}, as {build_spec.where} states"
        return replace(build_spec, notes=(note,), file=file)
    near = [path.name.partition(".")[0], *(name.architecture for name in names)]
    fitting = fitting_architecture(checkpoint.state, near=near)
    hint = f" Its keys fit {OPTION}={fitting}." if fitting else ""
    raise ModelError(f"{spec}: {_unknown_architecture(names)}{hint}")


def build_spec_of_config(config: HubConfig, spec: str) -> BuildSpec:
    """Return the architecture and settings in timm's `config.json`."""
    check_architecture(config.architecture, where=f"{spec}: {NAME}")
    return BuildSpec(
        architecture=config.architecture,
        where=f"{NAME} of {spec}",
        config=config.preprocessing(spec=spec),
        pretrained_cfg=config.pretrained_cfg,
        arguments=config.model_args,
    )


def _build_spec_of_name(name: str, where: str, checkpoint: Checkpoint, spec: str, *notes: str) -> BuildSpec:
    metadata = config_from_checkpoint(checkpoint.about, spec=spec)
    arguments = model_arguments(checkpoint.about)
    config = metadata.config
    has_fixed_size = pretrained_config(name).get("fixed_input_size")
    if config is not None and has_fixed_size and "input_size" in config.values:
        arguments.setdefault("img_size", config.values["input_size"][1:])
    return BuildSpec(name, where, config, None, arguments, (*notes, *metadata.notes))


def _config_next_to(path: Path, spec: str) -> tuple[HubConfig | None, ModelFile | None]:
    """Return timm's `config.json` next to a file, with its digest; None if missing or foreign."""
    path = path.parent / NAME
    if not path.is_file():
        return None, None
    try:
        (file,) = model_files(path)
        config = read_config(path, spec=spec)
    except ModelError:
        return None, None
    return (config, file) if is_model(config.architecture) else (None, None)


def _unknown_architecture(names: tuple[NamedArchitecture, ...]) -> str:
    if not names:
        return f"holds weights alone, so name their architecture in timm, {OPTION}=NAME, or {WITH_CODE}."
    first = names[0]
    return (
        f"{first.where} in it says '{first.architecture}', which is not a model of timm {timm.__version__}; "
        f"name one of timm's, {OPTION}=NAME, or {WITH_CODE}."
    )
