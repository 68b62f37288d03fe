"""Who names the architecture of a checkpoint: the option, the file itself, or a `config.json` beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import timm
from timm.models import is_model

from quba_check.errors import ModelError
from quba_check.models.checkpoints.contents import Checkpoint
from quba_check.models.checkpoints.hub_config import NAME, HubConfig, read_config
from quba_check.models.checkpoints.timm_architectures import (
    base_name,
    check_architecture,
    fitting_architecture,
    pretrained_config,
)
from quba_check.models.checkpoints.training_metadata import (
    Named,
    architectures_named,
    config_from_checkpoint,
    model_arguments,
)
from quba_check.models.preprocessing.config import PreprocessingConfig

OPTION = "--quba-arch"


@dataclass(frozen=True, slots=True)
class BuildSpec:
    """What a module is built as.

    Attributes:
        architecture: timm name.
        where: who names it.
        config: what is said of the preparation besides what the architecture's own config says.
        pretrained_cfg: a config in place of the architecture's own.
        arguments: what it is built with.
        notes: remarks for the record.
    """

    architecture: str
    where: str = OPTION
    config: PreprocessingConfig | None = None
    pretrained_cfg: Mapping[str, Any] | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def build_spec_of_file(checkpoint: Checkpoint, path: Path, *, spec: str, option: str | None) -> BuildSpec:
    """What the module of a checkpoint file is built as.

    Args:
        checkpoint: what it holds.
        path: the file; a `config.json` of timm's beside it counts where nothing else names an architecture.
        spec: the model's spec, for messages.
        option: what `--quba-arch` says; it comes before all else.

    Raises:
        ModelError: nothing names an architecture that timm has.
    """
    config = _config_beside(path, spec)
    named = architectures_named(checkpoint.about)
    known = next((one for one in named if is_model(one.architecture)), None)
    if option is not None:
        if config is not None and base_name(option) == base_name(config.architecture):
            return replace(build_spec_of_config(config, f"the folder of {spec}"), where=OPTION)
        if known is None or base_name(known.architecture) == base_name(option):
            return _plan_by_name(option, OPTION, checkpoint, spec)
        note = f"{OPTION}={option} is used, though {known.where} in {spec} says {known.architecture}"
        return _plan_by_name(option, OPTION, checkpoint, spec, note)
    if known is not None:
        where = f"{known.where} in {spec}"
        note = f"the architecture is {known.architecture}, as {where} says"
        return _plan_by_name(known.architecture, where, checkpoint, spec, note)
    if config is not None:
        plan = build_spec_of_config(config, f"the folder of {spec}")
        return replace(plan, notes=(f"the architecture is {plan.architecture}, as {plan.where} says",))
    raise ModelError(f"{spec}: {_nameless(named)}{_hint(checkpoint, path, named)}")


def build_spec_of_config(config: HubConfig, spec: str) -> BuildSpec:
    """What timm's `config.json` says a module is built as."""
    check_architecture(config.architecture, where=f"{spec}: {NAME}")
    return BuildSpec(
        architecture=config.architecture,
        where=f"{NAME} of {spec}",
        config=config.preprocessing(spec=spec),
        pretrained_cfg=config.pretrained_cfg,
        arguments=config.model_args,
    )


def _plan_by_name(name: str, where: str, checkpoint: Checkpoint, spec: str, *notes: str) -> BuildSpec:
    own = pretrained_config(name)
    stated = config_from_checkpoint(checkpoint.about, spec=spec)
    arguments = model_arguments(checkpoint.about)
    said = stated.config
    if said is not None and own.get("fixed_input_size") and "input_size" in said.values:
        arguments.setdefault("img_size", said.values["input_size"][1:])
    return BuildSpec(name, where, said, None, arguments, (*notes, *stated.notes))


def _config_beside(path: Path, spec: str) -> HubConfig | None:
    """The `config.json` of timm's beside a file; one of another make says nothing of it."""
    beside = path.parent / NAME
    try:
        config = read_config(beside, spec=spec) if beside.is_file() else None
    except ModelError:
        return None
    return config if config is not None and is_model(config.architecture) else None


def _nameless(named: tuple[Named, ...]) -> str:
    if not named:
        return f"holds weights alone, so name their architecture: {OPTION}=NAME."
    first = named[0]
    return (
        f"{first.where} in it says '{first.architecture}', which is no model of timm {timm.__version__}; "
        f"name one of timm's, {OPTION}=NAME, or give package.module:callable."
    )


def _hint(checkpoint: Checkpoint, path: Path, named: tuple[Named, ...]) -> str:
    near = [path.name.partition(".")[0], *(one.architecture for one in named)]
    found = fitting_architecture(checkpoint.state, near=near)
    return f" Its keys fit {OPTION}={found}." if found else ""
