"""Models of checkpoint files and folders: an architecture with the weights loaded into it.

The steps: read the facts of the files, choose the architecture, build it, match the weights, check and load
them.
"""

from __future__ import annotations

from torch import nn

from quba_check.core.head import Head
from quba_check.errors import ModelError
from quba_check.messages import listed
from quba_check.models.checkpoints.architecture_choice import choose_architecture
from quba_check.models.checkpoints.facts import CheckpointFacts, read_facts
from quba_check.models.checkpoints.hub_config import check_head
from quba_check.models.checkpoints.state_dict_match import StateDictMatch, match_prefix
from quba_check.models.checkpoints.timm_architectures import (
    OPTION,
    base_name,
    build_architecture,
    check_architecture,
    classifier_layers,
    convert_names,
    fitting_architecture,
)
from quba_check.models.loaded_module import LoadedModule, stored_bytes
from quba_check.models.request import LoadRequest
from quba_check.models.specs import WITH_CODE, ModelSpec


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
    facts = read_facts(spec, request)
    chosen = choose_architecture(facts, request.arch)
    module = build_architecture(chosen, request.expected_head.size)
    match, notes = _match(facts, module, chosen.architecture)
    _check_fit(facts, match, module, chosen.architecture, request.expected_head)
    module.load_state_dict(dict(match.state), strict=False)
    return LoadedModule(
        module,
        base_name(chosen.architecture),
        chosen.source,
        configs=(chosen.config,) if chosen.config else (),
        notes=(*chosen.notes, *notes),
        files=(facts.file, *([chosen.file] if chosen.file else [])),
        weight_bytes=stored_bytes(match.state.values()),
    )


def _match(facts: CheckpointFacts, module: nn.Module, architecture: str) -> tuple[StateDictMatch, list[str]]:
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
            notes.append(f"names of the weights were converted to timm's, as timm does for {architecture}")
    return match, notes


def _check_fit(
    facts: CheckpointFacts, match: StateDictMatch, module: nn.Module, architecture: str, head: Head
) -> None:
    """Check that the weights fit the architecture by name, shape and dtype.

    Raises:
        ModelError: the file holds several models, or names, shapes or dtypes do not fit.
        HeadError: only the number of classes differs.
    """
    if match.rivals:
        prefixes = listed(map(repr, (match.removed[0], *match.rivals)))
        raise ModelError(
            f"{facts.where}: holds several models, under {prefixes}. "
            "Save the one to judge in a file of its own."
        )
    if match.classes is not None:
        check_head(match.classes, head, f"{facts.where}: the checkpoint's head")
    if match.differences:
        other = fitting_architecture(facts.checkpoint.state, near=[architecture, facts.stem])
        hint = f"Did you mean {OPTION}={other}?" if other else f"For a model that timm lacks, {WITH_CODE}."
        without = f" without {_quoted(match.removed)}" if match.removed else ""
        raise ModelError(
            f"{facts.where}: its keys{without} do not fit {architecture}: {match.describe()}. {hint}"
        )
    for name, ours in module.state_dict().items():
        tensor = match.state.get(name, ours)
        if tensor.is_complex() or (ours.is_floating_point() and not tensor.is_floating_point()):
            raise ModelError(
                f"{facts.where}: its tensor '{name}' is of {tensor.dtype}, but {architecture} takes "
                f"{ours.dtype}. Save the weights as floating-point numbers, or {WITH_CODE}."
            )


def _quoted(names: tuple[str, ...]) -> str:
    return " and ".join(f"'{name}'" for name in names)
