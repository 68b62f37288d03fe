"""Models of checkpoint files and folders: an architecture with the weights loaded into it.

The steps: read the files, choose the architecture, build it, match the weights, check and load them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from timm.models import is_model
from torch import Tensor, nn

from quba_check.core.head import Head
from quba_check.errors import HeadError, ModelError
from quba_check.messages import listed
from quba_check.models.checkpoints.architecture_choice import (
    OPTION,
    BuildSpec,
    CheckpointFacts,
    choose_architecture,
)
from quba_check.models.checkpoints.hub_config import NAME, HubConfig, read_config
from quba_check.models.checkpoints.reading import read_checkpoint
from quba_check.models.checkpoints.state_dict_match import PrefixMatch, match_prefix
from quba_check.models.checkpoints.timm_architectures import (
    build_architecture,
    check_architecture,
    classifier_layers,
    convert_names,
    fitting_architecture,
)
from quba_check.models.loaded_module import LoadedModule
from quba_check.models.model_files import model_files
from quba_check.models.request import LoadRequest
from quba_check.models.specs import WITH_CODE, ModelSpec

WEIGHTS = ("model.safetensors", "pytorch_model.bin", "pytorch_model.pth", "model.pth")
"""File names of a folder's weights, in timm's order."""


def load_checkpoint(spec: ModelSpec, request: LoadRequest) -> LoadedModule:
    """Load a checkpoint file, or a folder with timm's `config.json` and the weights.

    Args:
        spec: the model, a file or a folder.
        request: how it is loaded.

    Raises:
        ModelError: a file cannot be read, no architecture is named, or the weights do not fit.
    """
    if request.arch is not None:
        check_architecture(request.arch, where=OPTION)
    facts = _read_facts(spec, request)
    build_spec = choose_architecture(facts, request.arch)
    module = build_architecture(
        build_spec.architecture,
        classes=request.expected_head.size,
        where=build_spec.where,
        pretrained_cfg=build_spec.pretrained_cfg,
        arguments=build_spec.arguments,
    )
    match, notes = _match(facts, module, build_spec)
    _check_fit(facts, match, classifier_layers(module), build_spec, request.expected_head)
    _check_dtypes(match.state, module, build_spec.architecture, facts.where)
    module.load_state_dict(dict(match.state), strict=False)
    return LoadedModule(
        module,
        build_spec.architecture,
        configs=(build_spec.config,) if build_spec.config else (),
        notes=(*build_spec.notes, *notes),
        files=(facts.file, *([build_spec.file] if build_spec.file else [])),
    )


def read_own_config(path: Path, spec: ModelSpec, head: Head) -> HubConfig:
    """Read timm's `config.json` of a folder or of a Hub repository.

    Raises:
        ModelError: the config cannot be used.
        HeadError: it states another number of classes than the suite.
    """
    config = read_config(path, spec=spec.text)
    check_architecture(config.architecture, where=f"{spec.text}: {NAME}")
    if config.classes is not None:
        check_head(config.classes, head, f"{spec.text}: the model")
    return config


def check_head(theirs: int, head: Head, what: str) -> None:
    """Check that a model has the number of outputs expected by the suite.

    Raises:
        HeadError: it has another number.
    """
    if theirs != head.size:
        message = f"{what} has {theirs} classes, {head.expected}. {head.advice(theirs)}".rstrip()
        raise HeadError(message, theirs=theirs, classes=head.size)


def _read_facts(spec: ModelSpec, request: LoadRequest) -> CheckpointFacts:
    path, where, config = spec.path, spec.text, None
    if spec.kind == "folder":
        config = read_own_config(path / NAME, spec, request.expected_head)
        weights = next((path / name for name in WEIGHTS if (path / name).is_file()), None)
        if weights is None:
            raise ModelError(f"{where}: holds no weights. Allowed: {', '.join(WEIGHTS)}.")
        path, where = weights, f"{where.rstrip('/')}/{weights.name}"
    (file,) = model_files(path)
    checkpoint = read_checkpoint(path, spec=where, trust_pickle=request.trust_pickle)
    neighbour = path.parent / NAME
    if config is None and neighbour.is_file():
        with contextlib.suppress(ModelError):
            config = read_config(neighbour, spec=where)
    return CheckpointFacts(
        spec, where, file, checkpoint, config if config and is_model(config.architecture) else None
    )


def _match(facts: CheckpointFacts, module: nn.Module, build_spec: BuildSpec) -> tuple[PrefixMatch, list[str]]:
    """Return the weights under the module's names, and notes on changes."""
    checkpoint, layers, notes = facts.checkpoint, classifier_layers(module), []
    match = match_prefix(checkpoint.state, module, layers)
    if checkpoint.key:
        others = f", not from {_quoted(checkpoint.others)}" if checkpoint.others else ""
        notes.append(f"weights were taken from '{checkpoint.key}'{others}")
    if match.removed:
        verb = "were" if len(match.removed) > 1 else "was"
        notes.append(f"{_quoted(match.removed)} {verb} removed from the weights' names")
    if match.left_out:
        notes.append(f"left out, since they do not classify: {listed(match.left_out, 3)}")
    if not match.is_fitting and (renamed := convert_names(match.state, module)) is not None:
        converted = match_prefix(renamed, module, layers)
        if converted.is_fitting:
            match = converted
            architecture = build_spec.architecture
            notes.append(f"names of the weights were converted to timm's, as timm does for {architecture}")
    return match, notes


def _check_fit(
    facts: CheckpointFacts, match: PrefixMatch, layers: tuple[str, ...], build_spec: BuildSpec, head: Head
) -> None:
    if match.rivals:
        prefixes = listed(map(repr, (match.removed[0], *match.rivals)))
        raise ModelError(
            f"{facts.where}: holds several models, under {prefixes}. "
            "Save the one to judge in a file of its own."
        )
    if (theirs := match.diff.head(layers)) is not None:
        check_head(theirs, head, f"{facts.where}: the checkpoint's head")
    if match.diff.count:
        near = [build_spec.architecture, facts.file.path.name.partition(".")[0]]
        other = fitting_architecture(facts.checkpoint.state, near=near)
        hint = f"Did you mean {OPTION}={other}?" if other else f"For a model that timm lacks, {WITH_CODE}."
        without = f" without {_quoted(match.removed)}" if match.removed else ""
        raise ModelError(
            f"{facts.where}: its keys{without} do not fit {build_spec.architecture}: "
            f"{match.diff.describe()}. {hint}"
        )


def _check_dtypes(state: Mapping[str, Tensor], module: nn.Module, architecture: str, where: str) -> None:
    """Check that the dtypes of weights convert to the architecture's without loss.

    Raises:
        ModelError: a tensor has integers or complex numbers where the architecture has floats.
    """
    for name, ours in module.state_dict().items():
        theirs = state.get(name, ours)
        if theirs.is_complex() or (ours.is_floating_point() and not theirs.is_floating_point()):
            raise ModelError(
                f"{where}: its tensor '{name}' is of {theirs.dtype}, but {architecture} takes {ours.dtype}. "
                f"Save the weights as floating-point numbers, or {WITH_CODE}."
            )


def _quoted(names: tuple[str, ...]) -> str:
    return " and ".join(f"'{name}'" for name in names)
