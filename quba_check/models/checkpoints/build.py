"""Models of checkpoint files and folders: an architecture with the weights loaded into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor, nn

from quba_check.core.head import Head
from quba_check.errors import HeadError, ModelError, listed
from quba_check.models.checkpoints.architecture_choice import (
    OPTION,
    BuildSpec,
    build_spec_of_config,
    build_spec_of_file,
)
from quba_check.models.checkpoints.hub_config import NAME, read_config
from quba_check.models.checkpoints.reading import Checkpoint, read_checkpoint
from quba_check.models.checkpoints.state_dict_match import PrefixMatch, match_prefix
from quba_check.models.checkpoints.timm_architectures import (
    build_architecture,
    check_architecture,
    classifier_layers,
    convert_names,
    fitting_architecture,
)
from quba_check.models.loaded_module import LoadedModule
from quba_check.models.model_files import ModelFile, model_files
from quba_check.models.request import LoadRequest
from quba_check.models.specs import WITH_CODE, ModelSpec

WEIGHTS = ("model.safetensors", "pytorch_model.bin", "pytorch_model.pth", "model.pth")
"""File names of a folder's weights, in timm's order."""


def load_file(spec: ModelSpec, request: LoadRequest) -> LoadedModule:
    """Load a checkpoint file.

    Args:
        spec: the model, a file.
        request: how it is loaded.

    Raises:
        ModelError: the file cannot be read, no architecture is named, or the weights do not fit it.
    """
    if request.arch is not None:
        check_architecture(request.arch, where=OPTION)
    (file,) = model_files(spec.path)
    checkpoint = read_checkpoint(spec.path, spec=spec.text, trust_pickle=request.trust_pickle)
    build_spec = build_spec_of_file(checkpoint, spec.path, spec=spec.text, option=request.arch)
    return _build(checkpoint, build_spec, file, spec.text, request)


def load_folder(spec: ModelSpec, request: LoadRequest) -> LoadedModule:
    """Load a folder with timm's `config.json` and the weights.

    Args:
        spec: the model, a folder.
        request: how it is loaded.

    Raises:
        ModelError: the config or the weights cannot be used, or do not fit each other or the suite.
    """
    build_spec = read_build_spec(spec.path / NAME, spec, request)
    weights = next((spec.path / name for name in WEIGHTS if (spec.path / name).is_file()), None)
    if weights is None:
        raise ModelError(f"{spec.text}: holds no weights. Allowed: {', '.join(WEIGHTS)}.")
    where = f"{spec.text.rstrip('/')}/{weights.name}"
    (file,) = model_files(weights)
    checkpoint = read_checkpoint(weights, spec=where, trust_pickle=request.trust_pickle)
    return _build(checkpoint, build_spec, file, where, request)


def read_build_spec(path: Path, spec: ModelSpec, request: LoadRequest) -> BuildSpec:
    """Read the architecture and settings in timm's `config.json`.

    Args:
        path: the file.
        spec: the model, for messages.
        request: the outputs expected by the suite.

    Raises:
        ModelError: the config cannot be used.
        HeadError: it states another number of classes than the suite.
    """
    (file,) = model_files(path)
    config = read_config(path, spec=spec.text)
    build_spec = replace(build_spec_of_config(config, spec.text), file=file)
    if config.classes is not None:
        check_head(config.classes, request.expected_head, f"{spec.text}: the model")
    return build_spec


def check_head(theirs: int, head: Head, what: str) -> None:
    """Check that a model has the number of outputs expected by the suite.

    Raises:
        HeadError: it has another number.
    """
    if theirs != head.size:
        message = f"{what} has {theirs} classes, {head.expected}. {head.advice(theirs)}".rstrip()
        raise HeadError(message, theirs=theirs, classes=head.size)


def _build(
    checkpoint: Checkpoint, build_spec: BuildSpec, file: ModelFile, spec: str, request: LoadRequest
) -> LoadedModule:
    module = build_architecture(
        build_spec.architecture,
        classes=request.expected_head.size,
        where=build_spec.where,
        pretrained_cfg=build_spec.pretrained_cfg,
        arguments=build_spec.arguments,
    )
    layers = classifier_layers(module)
    match = match_prefix(checkpoint.state, module, layers)
    notes = [*build_spec.notes, *_notes(checkpoint, match)]
    renamed = None if match.is_fitting else convert_names(match.state, module)
    if renamed is not None:
        second_match = match_prefix(renamed, module, layers)
        if second_match.is_fitting:
            match = second_match
            notes.append(
                f"names of the weights were converted to timm's, as timm does for {build_spec.architecture}"
            )
    _check_fit(checkpoint, match, layers, build_spec, file.path, spec, request.expected_head)
    _check_dtypes(match.state, module, build_spec.architecture, spec)
    module.load_state_dict(dict(match.state), strict=False)
    return LoadedModule(
        module,
        build_spec.architecture,
        configs=(build_spec.config,) if build_spec.config else (),
        notes=tuple(notes),
        files=(file, *([build_spec.file] if build_spec.file else [])),
    )


def _check_dtypes(state: Mapping[str, Tensor], module: nn.Module, architecture: str, spec: str) -> None:
    """Check that the dtypes of weights convert to the architecture's without loss.

    Raises:
        ModelError: a tensor has integers or complex numbers where the architecture has floats.
    """
    for name, ours in module.state_dict().items():
        theirs = state.get(name, ours)
        if theirs.is_complex() or (ours.is_floating_point() and not theirs.is_floating_point()):
            raise ModelError(
                f"{spec}: its tensor '{name}' is of {theirs.dtype}, but {architecture} takes {ours.dtype}. "
                f"Save the weights as floating-point numbers, or {WITH_CODE}."
            )


def _check_fit(
    checkpoint: Checkpoint,
    match: PrefixMatch,
    layers: tuple[str, ...],
    build_spec: BuildSpec,
    path: Path,
    spec: str,
    head: Head,
) -> None:
    if match.rivals:
        prefixes = (match.removed[0], *match.rivals)
        raise ModelError(
            f"{spec}: holds several models, under {listed(map(repr, prefixes))}. "
            "Save the one to judge in a file of its own."
        )
    if match.diff.is_empty:
        return
    theirs = match.diff.head(layers)
    if theirs is not None:
        check_head(theirs, head, f"{spec}: the checkpoint's head")
    near = [build_spec.architecture, path.name.partition(".")[0]]
    other = fitting_architecture(checkpoint.state, near=near)
    hint = f"Did you mean {OPTION}={other}?" if other else f"For a model that timm lacks, {WITH_CODE}."
    without = f" without {_quoted(match.removed)}" if match.removed else ""
    raise ModelError(
        f"{spec}: its keys{without} do not fit {build_spec.architecture}: {match.diff.describe()}. {hint}"
    )


def _notes(checkpoint: Checkpoint, match: PrefixMatch) -> list[str]:
    notes = []
    if checkpoint.key:
        others = f", not from {_quoted(checkpoint.others)}" if checkpoint.others else ""
        notes.append(f"weights were taken from '{checkpoint.key}'{others}")
    if match.removed:
        verb = "were" if len(match.removed) > 1 else "was"
        notes.append(f"{_quoted(match.removed)} {verb} removed from the weights' names")
    if match.left_out:
        notes.append(f"left out, since they do not classify: {listed(match.left_out, 3)}")
    return notes


def _quoted(names: tuple[str, ...]) -> str:
    return " and ".join(f"'{name}'" for name in names)
