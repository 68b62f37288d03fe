"""A checkpoint's weights put into their architecture."""

from __future__ import annotations

from collections.abc import Mapping
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
from quba_check.models.checkpoints.contents import Checkpoint
from quba_check.models.checkpoints.hub_config import NAME, read_config
from quba_check.models.checkpoints.key_prefixes import PrefixMatch, match_prefix
from quba_check.models.checkpoints.reading import read_checkpoint
from quba_check.models.checkpoints.timm_architectures import (
    architecture,
    check_architecture,
    classifier_layers,
    converted,
    fitting_architecture,
)
from quba_check.models.network import LoadedModule, LoadRequest

WEIGHTS = ("model.safetensors", "pytorch_model.bin", "pytorch_model.pth", "model.pth")
"""Names under which timm looks for the weights of a folder, in its order."""


def network_of_file(path: Path, *, spec: str, how: LoadRequest) -> LoadedModule:
    """The network of a checkpoint file.

    Args:
        path: the file.
        spec: the model's spec, for messages.
        how: how it is loaded.

    Raises:
        ModelError: the file cannot be read, no architecture is named, or the weights do not fit it.
    """
    if how.arch is not None:
        check_architecture(how.arch, where=OPTION)
    checkpoint = read_checkpoint(path, spec=spec, trust_pickle=how.trust_pickle)
    plan = build_spec_of_file(checkpoint, path, spec=spec, option=how.arch)
    return _network(checkpoint, plan, path, spec, how)


def network_of_folder(folder: Path, *, spec: str, how: LoadRequest) -> LoadedModule:
    """The network of a folder with timm's `config.json` and the weights.

    Args:
        folder: the folder.
        spec: the model's spec, for messages.
        how: how it is loaded.

    Raises:
        ModelError: the config or the weights cannot be used, or do not fit each other or the suite.
    """
    config = read_config(folder / NAME, spec=spec)
    plan = build_spec_of_config(config, spec)
    if config.classes is not None:
        check_head(config.classes, how.head, f"{spec}: the model")
    weights = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if weights is None:
        raise ModelError(f"{spec}: holds no weights. Allowed: {', '.join(WEIGHTS)}.")
    where = f"{spec.rstrip('/')}/{weights.name}"
    checkpoint = read_checkpoint(weights, spec=where, trust_pickle=how.trust_pickle)
    return _network(checkpoint, plan, weights, where, how)


def check_head(theirs: int, head: Head, what: str) -> None:
    """Check that a model has the number of outputs expected by the suite.

    Raises:
        HeadError: it does not.
    """
    if theirs != head.size:
        message = f"{what} has {theirs} classes, {head.expected}. {head.advice(theirs)}".rstrip()
        raise HeadError(message, theirs=theirs, classes=head.size)


def _network(
    checkpoint: Checkpoint, plan: BuildSpec, path: Path, spec: str, how: LoadRequest
) -> LoadedModule:
    module = architecture(
        plan.architecture,
        classes=how.classes,
        where=plan.where,
        pretrained_cfg=plan.pretrained_cfg,
        arguments=plan.arguments,
    )
    placement = match_prefix(checkpoint.state, module, classifier_layers(module))
    renamed = None if placement.is_fitting else converted(placement.state, module)
    notes = [*plan.notes, *_notes(checkpoint, placement)]
    if renamed is not None:
        again = match_prefix(renamed, module, classifier_layers(module))
        if again.is_fitting:
            placement = again
            notes.append(
                f"names of the weights were converted to timm's, as timm does for {plan.architecture}"
            )
    _check_fit(checkpoint, placement, module, plan, path, spec, how)
    _check_dtypes(placement.state, module, plan.architecture, spec)
    module.load_state_dict(dict(placement.state), strict=False)
    return LoadedModule(
        module,
        plan.architecture,
        configs=(plan.config,) if plan.config else (),
        notes=tuple(notes),
    )


def _check_dtypes(state: Mapping[str, Tensor], module: nn.Module, architecture: str, spec: str) -> None:
    """Check that the dtypes of weights convert to the architecture's without loss.

    Raises:
        ModelError: integers or complex numbers stand where floats belong.
    """
    for name, ours in module.state_dict().items():
        theirs = state.get(name, ours)
        if theirs.is_complex() or (ours.is_floating_point() and not theirs.is_floating_point()):
            raise ModelError(
                f"{spec}: its tensor '{name}' is of {theirs.dtype}, but {architecture} takes {ours.dtype}. "
                "Save the weights as floating-point numbers."
            )


def _check_fit(
    checkpoint: Checkpoint,
    placement: PrefixMatch,
    module: nn.Module,
    plan: BuildSpec,
    path: Path,
    spec: str,
    how: LoadRequest,
) -> None:
    if placement.rivals:
        prefixes = (placement.removed[0], *placement.rivals)
        raise ModelError(
            f"{spec}: holds several models, under {listed(map(repr, prefixes))}. "
            "Save the one to judge in a file of its own."
        )
    if placement.fit.is_perfect:
        return
    head = placement.fit.head(classifier_layers(module))
    if head is not None:
        check_head(head, how.head, f"{spec}: the checkpoint's head")
    near = [plan.architecture, path.name.partition(".")[0]]
    other = fitting_architecture(checkpoint.state, near=near)
    hint = f" Did you mean {OPTION}={other}?" if other else ""
    without = f" without {_quoted(placement.removed)}" if placement.removed else ""
    raise ModelError(
        f"{spec}: its keys{without} do not fit {plan.architecture}: {placement.fit.describe()}.{hint}"
    )


def _notes(checkpoint: Checkpoint, placement: PrefixMatch) -> list[str]:
    notes = []
    if checkpoint.key:
        others = f", not from {_quoted(checkpoint.others)}" if checkpoint.others else ""
        notes.append(f"weights were taken from '{checkpoint.key}'{others}")
    if placement.removed:
        notes.append(f"{_quoted(placement.removed)} was taken off the weights' names")
    if placement.left_out:
        notes.append(f"left out, since they do not classify: {listed(placement.left_out, 3)}")
    return notes


def _quoted(names: tuple[str, ...]) -> str:
    return " and ".join(f"'{name}'" for name in names)
