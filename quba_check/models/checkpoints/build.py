"""Models of timm architectures: published ones, and those of checkpoint files and folders.

The steps for a file: read it, choose the architecture, build it, match the weights, check and load them.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

import timm
from huggingface_hub import hf_hub_download, snapshot_download
from timm.models import PretrainedCfg, is_model, is_model_pretrained
from torch import nn

from quba_check.core.classes import Head
from quba_check.errors import HeadError, ModelError
from quba_check.messages import listed
from quba_check.models.checkpoints.reading import Checkpoint, read_checkpoint
from quba_check.models.checkpoints.timm_architectures import (
    OPTION,
    BuildSpec,
    StateDictMatch,
    base_name,
    build_architecture,
    check_architecture,
    convert_names,
    fitting_architecture,
    match_prefix,
    pretrained_config,
    with_grey_input,
)
from quba_check.models.checkpoints.transformers_models import FILES, load_transformers
from quba_check.models.checkpoints.ultralytics import load_ultralytics, pickled_classes
from quba_check.models.errors import model_errors
from quba_check.models.loaded_module import LoadedModule, ModelFile, Weights, load_cached, model_files
from quba_check.models.preprocessing.config import short_repr
from quba_check.models.programs.transformers_configs import is_of_transformers
from quba_check.models.programs.weights import stored_bytes
from quba_check.models.request import LoadRequest
from quba_check.models.specs import CONFIG, WITH_CODE, ModelSpec
from quba_check.storage.user_files import read_json

_KNOWN = {field.name for field in fields(PretrainedCfg)}
_OFFLINE = "could not be loaded (without a network give a folder with config.json and the weights):"
_PLAIN_WEIGHTS = {"hf_hub_filename": None, "custom_load": False}
"""Overrides the weights file that a config names: older releases of timm unpickle such a file, which runs
code. Weights under the usual names are read as tensors alone."""
_WEIGHTS = ("model.safetensors", "pytorch_model.bin", "pytorch_model.pth", "model.pth")
"""File names of a folder's weights, in timm's order."""


@dataclass(frozen=True, slots=True)
class _CheckpointFacts:
    """The file with the weights of a checkpoint, and its content.

    Attributes:
        where: the weights, for messages.
        file: the file.
        checkpoint: its content.
    """

    where: str
    file: ModelFile
    checkpoint: Checkpoint

    @property
    def stem(self) -> str:
        """The name of the file without its suffixes."""
        return self.file.path.name.partition(".")[0]


def load_folder(spec: ModelSpec, request: LoadRequest) -> LoadedModule:
    """Load a folder with the weights and the `config.json` of timm or transformers.

    Args:
        spec: the model, a folder.
        request: how it is loaded.

    Raises:
        ModelError: a file cannot be read, the weights or a usable config are missing, or do not fit.
        HeadError: the config states another number of classes than the suite.
    """
    path = spec.path
    if is_of_transformers(path / CONFIG, spec=spec.text):
        return load_transformers(spec, request, path)
    config = read_config(path / CONFIG, spec=spec.text, head=request.expected_head)
    weights = next((path / name for name in _WEIGHTS if (path / name).is_file()), None)
    if weights is None:
        raise ModelError("holds no weights", where=spec.text, allowed=", ".join(_WEIGHTS))
    facts = _read_facts(weights, f"{spec.text.rstrip('/')}/{weights.name}", request)
    return _load_weights(facts, config, request.expected_head)


def load_checkpoint(spec: ModelSpec, request: LoadRequest) -> LoadedModule:
    """Load a checkpoint file.

    Args:
        spec: the model, a file.
        request: how it is loaded.

    Raises:
        ModelError: the file cannot be read, no architecture is named, or the weights do not fit.
    """
    classes = pickled_classes(spec.path)
    if classes:
        return load_ultralytics(spec, request, classes)
    if request.arch is not None:
        check_architecture(request.arch, where=OPTION)
    config = None
    if (spec.path.parent / CONFIG).is_file():
        with contextlib.suppress(ModelError):
            config = read_config(spec.path.parent / CONFIG, spec=f"the folder of {spec.text}")
    facts = _read_facts(spec.path, spec.text, request)
    return _load_weights(facts, _choose_architecture(facts, config, request.arch), request.expected_head)


def _read_facts(path: Path, where: str, request: LoadRequest) -> _CheckpointFacts:
    (file,) = model_files(path)
    checkpoint = read_checkpoint(path, spec=where, trust_pickle=request.trust_pickle)
    return _CheckpointFacts(where, file, checkpoint)


def _load_weights(facts: _CheckpointFacts, chosen: BuildSpec, head: Head) -> LoadedModule:
    """Build an architecture, and load the weights of a checkpoint into it."""
    chosen = with_grey_input(chosen, facts.checkpoint.state)
    module = build_architecture(chosen, head.size)
    match, notes = _match(facts, module, chosen.architecture)
    _check_fit(facts, match, module, chosen.architecture, head)
    module.load_state_dict(dict(match.state), strict=False)
    return LoadedModule(
        module,
        base_name(chosen.architecture),
        chosen.source,
        configs=(chosen.config,) if chosen.config else (),
        notes=(*chosen.notes, *notes),
        files=(facts.file, *([chosen.file] if chosen.file else [])),
        weights=Weights(size=stored_bytes(match.state.values())),
    )


def _choose_architecture(facts: _CheckpointFacts, config: BuildSpec | None, option: str | None) -> BuildSpec:
    """Return the architecture and settings of a checkpoint file.

    The `config.json` next to it is used if nothing else names an architecture, or if the option names the
    same.

    Args:
        facts: the content of the file.
        config: the build spec of timm's `config.json`; None if missing or foreign.
        option: the value of `--quba-arch`, which has precedence over names in a file.

    Raises:
        ModelError: no known architecture is named.
    """
    spec = facts.where
    checkpoint = facts.checkpoint
    names = checkpoint.named_architectures
    stated, place = next((name for name in names if is_model(name[0])), ("", ""))
    if config is not None and option and base_name(option) == base_name(config.architecture):
        return config
    if config is not None and not option and not stated:
        note = f"the architecture is {config.architecture}, as {config.where} states"
        return replace(config, notes=(note,))
    name = option or stated
    where = OPTION if option else f"{place} in {spec}"
    notes = []
    if not name:
        unknown = [f"of '{architecture}', which timm {timm.__version__} lacks" for architecture, _ in names]
        fitting = fitting_architecture(checkpoint.state, near=[facts.stem, *(name[0] for name in names)])
        hint = f" Its keys fit {OPTION}={fitting}." if fitting else ""
        raise ModelError(
            f"holds weights {unknown[0] if names else 'alone'}, so name their architecture in "
            f"timm, {OPTION}=NAME, or {WITH_CODE}.{hint}",
            where=spec,
        )
    if not option:
        notes = [f"the architecture is {name}, as {where} states"]
    elif stated and base_name(stated) != base_name(option):
        notes = [f"{OPTION}={option} is used, though {place} in {spec} names {stated}"]
    metadata, unusable = checkpoint.preprocessing(spec)
    arguments = checkpoint.model_arguments
    if metadata is not None and pretrained_config(name).get("fixed_input_size"):
        size = metadata.values.get("input_size")
        arguments |= {"img_size": size[1:]} if size and "img_size" not in arguments else {}
    return BuildSpec(name, where, arguments, metadata, notes=(*notes, *unusable))


def _match(facts: _CheckpointFacts, module: nn.Module, architecture: str) -> tuple[StateDictMatch, list[str]]:
    """Return the weights under the module's names, and notes on changes."""
    checkpoint = facts.checkpoint
    notes = []
    match = match_prefix(checkpoint.state, module)
    if checkpoint.key:
        others = f", not from {_quoted(checkpoint.others)}" if checkpoint.others else ""
        notes.append(f"weights were taken from '{checkpoint.key}'{others}")
    if match.removed:
        verb = "were" if len(match.removed) > 1 else "was"
        notes.append(f"{_quoted(match.removed)} {verb} removed from the weights' names")
    if match.left_out:
        notes.append(f"left out, since they do not classify: {listed(match.left_out, 3)}")
    if not match.is_fitting and (renamed := convert_names(match.state, module)) is not None:
        converted = match_prefix(renamed, module)
        if converted.is_fitting:
            match = converted
            notes.append(f"names of the weights were converted to timm's, as timm does for {architecture}")
    return match, notes


def _check_fit(
    facts: _CheckpointFacts, match: StateDictMatch, module: nn.Module, architecture: str, head: Head
) -> None:
    """Check that the weights fit the architecture by name, shape and dtype.

    Raises:
        ModelError: the file holds several models, or names, shapes or dtypes do not fit.
        HeadError: only the number of classes differs.
    """
    error = partial(ModelError, where=facts.where)
    if match.rivals:
        prefixes = listed(map(repr, (match.removed[0], *match.rivals)))
        raise error(
            f"holds several models, under {prefixes}", hint="Save the one to judge in a file of its own."
        )
    if match.classes is not None:
        check_head(match.classes, head, facts.where, "the checkpoint's head")
    if match.differences:
        other = fitting_architecture(facts.checkpoint.state, near=[architecture, facts.stem])
        hint = f"Did you mean {OPTION}={other}?" if other else f"For a model that timm lacks, {WITH_CODE}."
        without = f" without {_quoted(match.removed)}" if match.removed else ""
        raise error(f"its keys{without} do not fit {architecture}: {match.describe()}", hint=hint)
    for name, ours in module.state_dict().items():
        tensor = match.state.get(name, ours)
        if tensor.is_complex() or (ours.is_floating_point() and not tensor.is_floating_point()):
            raise error(
                f"its tensor '{name}' is of {tensor.dtype}, but {architecture} takes {ours.dtype}",
                hint=f"Save the weights as floating-point numbers, or {WITH_CODE}.",
            )


def _quoted(names: tuple[str, ...]) -> str:
    return " and ".join(f"'{name}'" for name in names)


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
            f"timm has no pretrained weights for '{name}'",
            where=spec.text,
            hint=f"Give a checkpoint file and --quba-arch={name}.",
        )
    create = partial(timm.create_model, name, pretrained=True)
    with model_errors(
        "its pretrained weights could not be loaded (without a network give a checkpoint file and "
        f"--quba-arch={name.partition('.')[0]}):",
        where=spec.text,
    ):
        module, files = load_cached(create, pretrained_config(name))
    head = request.expected_head
    check_head(getattr(module, "num_classes", head.size), head, spec.text, "the model")
    return LoadedModule(module, base_name(name), f"timm's {name}", files=files)


def load_hub(spec: ModelSpec, request: LoadRequest) -> LoadedModule:
    """Load a model of the Hugging Face Hub, from its cache or downloaded.

    Args:
        spec: the model, named `OWNER/NAME`, or `OWNER/NAME@REVISION` for an older revision.
        request: how it is loaded.

    Raises:
        ModelError: there is no such model, it is of neither timm nor transformers, it cannot be loaded here,
            or it has other classes.
    """
    repository, _, revision = spec.name.partition("@")
    with model_errors(f"its {CONFIG} {_OFFLINE}", where=spec.text):
        path = Path(hf_hub_download(repository, CONFIG, revision=revision or None))
    if is_of_transformers(path, spec=spec.text):
        with model_errors(f"its files {_OFFLINE}", where=spec.text):
            folder = snapshot_download(repository, revision=revision or None, allow_patterns=list(FILES))
        return load_transformers(spec, request, Path(folder))
    config = read_config(path, spec=spec.text, head=request.expected_head)
    load = partial(
        timm.create_model, f"hf-hub:{spec.name}", pretrained=True, pretrained_cfg_overlay=_PLAIN_WEIGHTS
    )
    with model_errors(f"its weights {_OFFLINE}", where=spec.text):
        module, weights = load_cached(load, {"hf_hub_id": spec.name})
    return LoadedModule(
        module,
        base_name(config.architecture),
        config.source,
        files=(*weights, config.file) if config.file else weights,
    )


def read_config(path: Path, *, spec: str, head: Head | None = None) -> BuildSpec:
    """Read a `config.json`.

    Args:
        path: the file.
        spec: its folder or repository, for messages.
        head: the outputs that the model must have; None accepts any.

    Raises:
        ModelError: it is not JSON, not timm's (but that of transformers, for example), names an architecture
            that timm does not know, or has an invalid number of classes.
        HeadError: it states another number of classes than the suite.
    """
    (file,) = model_files(path)
    config = read_json(path, f"{spec}: {CONFIG}", ModelError)
    if not isinstance(config, dict) or not isinstance(config.get("architecture"), str):
        raise ModelError(
            f"its {CONFIG} is not timm's, the key 'architecture' is missing",
            where=spec,
            hint="For a model of another library, write a function that returns its logits, and "
            f"{WITH_CODE}.",
        )
    check_architecture(config["architecture"], where=f"{spec}: {CONFIG}")
    own = config.get("pretrained_cfg")
    names = ("num_classes", "label_names", "label_descriptions")
    stated = {name: config[name] for name in names if config.get(name) is not None}
    pretrained_cfg = {**(own if isinstance(own, dict) else config), **stated}
    classes = pretrained_cfg.get("num_classes")
    if classes is not None and (type(classes) is not int or classes < 0):
        raise ModelError(
            f"{CONFIG}: num_classes cannot be used",
            where=spec,
            got=short_repr(classes),
            allowed="a whole number",
        )
    if classes is not None and head is not None:
        check_head(classes, head, spec, "the model")
    return BuildSpec(
        config["architecture"],
        f"{CONFIG} of {spec}",
        arguments if isinstance(arguments := config.get("model_args"), dict) else {},
        pretrained_cfg={name: value for name, value in pretrained_cfg.items() if name in _KNOWN},
        file=file,
    )


def check_head(theirs: int, head: Head, where: str, what: str) -> None:
    """Check that a model has the number of outputs expected by the suite.

    Raises:
        HeadError: it has another number.
    """
    if theirs != head.size:
        raise HeadError(
            f"{what} has {theirs} classes, {head.expected}.",
            where=where,
            hint=head.advice(theirs),
            theirs=theirs,
            classes=head.size,
        )
