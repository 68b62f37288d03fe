"""Loading of classifiers from model specs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pkgutil import resolve_name

import torch
from torch import nn

from quba_check.core.classes import Head
from quba_check.core.facts import ModelFacts
from quba_check.core.serving import ServingPipeline
from quba_check.errors import ModelError
from quba_check.models import compute
from quba_check.models.choices import DEVICES, PROVIDERS
from quba_check.models.class_names import head_by_names
from quba_check.models.classifier import Classifier
from quba_check.models.errors import model_errors
from quba_check.models.identity.state import named_tensors, state_digest, unusual_form
from quba_check.models.loaded_module import LoadedModule, file_digests, fingerprint
from quba_check.models.parsing import check_takes_architecture, parse_spec
from quba_check.models.preprocessing.config import OutputKind, PreprocessingConfig, configs_of_module
from quba_check.models.preprocessing.preprocessing import SUITE_DEFAULTS, Preprocessing, preprocessing_of
from quba_check.models.preprocessing.serving import with_version
from quba_check.models.programs.weights import stored_bytes
from quba_check.models.request import LoadRequest
from quba_check.models.specs import ModelSpec


def load_classifier(spec: ModelSpec | str, request: LoadRequest) -> Classifier:
    """Load a model in eval mode on its device.

    Args:
        spec: the model, as text or parsed.
        request: how it is loaded.

    Returns:
        The classifier, with the parameters frozen after the trainable ones were counted.

    Raises:
        ModelError: the spec, the checkpoint, or the model cannot be used.
        OptionError: device or precision is unknown or missing, or `arch` does not apply to the spec.
    """
    if isinstance(spec, str):
        spec = parse_spec(spec)
    if request.arch is not None:
        check_takes_architecture(request.arch, [spec])
    if spec.kind.is_zero_shot:
        request = replace(request, head=None)
    try:
        with model_errors("loading it raised", where=spec.text):
            return _load_classifier(spec, request)
    except torch.OutOfMemoryError as error:
        raise ModelError(
            f"memory runs out while it is loaded ({error})",
            where=spec.text,
            hint="Free memory, or give a smaller model or another --quba-device.",
        ) from error


@dataclass(frozen=True, slots=True)
class _Interface:
    """Images and outputs of a model, as its configs and the suite state them.

    Attributes:
        preprocessing: preprocessing of images.
        head: the outputs of the suite's classes.
        outputs: kind of the outputs; None if not stated.
        notes: notes for the record.
    """

    preprocessing: Preprocessing
    head: Head
    outputs: OutputKind | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _FrozenState:
    """The tensors of a model in eval mode, in float32 and without gradients.

    Attributes:
        facts: their numbers and bytes as loaded.
        checksum: digest of all of them.
        original: digest of those that identify the model.
        notes: notes for the record.
    """

    facts: ModelFacts
    checksum: str
    original: str
    notes: tuple[str, ...]


def _load_classifier(spec: ModelSpec, request: LoadRequest) -> Classifier:
    device = compute.resolve_device(request.device, request.worker)
    precision = compute.resolve_precision(request.precision, device)
    request = _checked_request(spec, request)
    loaded = _load_module(spec, request)
    interface = _interface(loaded, request, spec.text)
    device = loaded.device or device
    settings = compute.first_settings(request, loaded, precision, device)
    state = _freeze(loaded)
    compute.pin_arithmetic(device)
    classifier = Classifier(
        spec=spec.text,
        name=spec.name,
        fingerprint=fingerprint(loaded, state.original, interface.head),
        module=loaded.module.to(device),
        preprocessing=interface.preprocessing,
        checksum=state.checksum,
        head=interface.head,
        facts=state.facts,
        device=device,
        compute=settings,
        no_gradient=loaded.no_gradient,
        takes_single_images=loaded.takes_single_images,
        stated_outputs=interface.outputs,
        notes=(
            *loaded.notes,
            *loaded.weights.notes,
            *_option_notes(loaded, request, settings, device, spec.text),
            *state.notes,
            *interface.notes,
        ),
        files=file_digests(loaded.files),
        request=request,
        output_step=loaded.output_step,
        libraries=loaded.libraries,
    )
    if request.precision == "auto" and settings.reason == compute.STATED:
        classifier.use(classifier.rule(precision))
        classifier.may_change_compute = True
    classifier.may_change_compute |= settings.runtime == "openvino"  # it is checked on images
    return classifier if request.pipeline is None else with_pipeline(classifier, request.pipeline)


def _checked_request(spec: ModelSpec, request: LoadRequest) -> LoadRequest:
    """Return a request with the head that its preprocessing file states.

    Raises:
        ModelError: the device is of another kind of model, or the head cannot be that of the suite.
    """
    if request.device in PROVIDERS and not spec.kind.takes_provider:
        raise ModelError(
            f"--quba-device={request.device} runs ONNX files alone",
            where=spec.text,
            hint=f"Allowed for other models: {', '.join(DEVICES)}.",
        )
    if request.preprocessing is None or "ignore" not in request.preprocessing.values:
        return request
    return replace(request, head=_head(request, [request.preprocessing], spec.text))


def _load_module(spec: ModelSpec, request: LoadRequest) -> LoadedModule:
    """Return the module of a model, checked to have dense tensors."""
    load: Callable[[ModelSpec, LoadRequest], LoadedModule] = resolve_name(f"{__package__}.{spec.kind.loader}")
    loaded = load(spec, request)
    for name, tensor in named_tensors(loaded.module).items():
        form = unusual_form(tensor)
        if form:
            raise ModelError(
                f"its tensor '{name}' is {form}", where=spec.text, allowed="dense tensors of numbers"
            )
    return loaded


def _interface(loaded: LoadedModule, request: LoadRequest, spec: str) -> _Interface:
    """Return images and outputs of a model.

    Raises:
        ModelError: a config is invalid, or contradicts the suite.
    """
    configs = [
        *configs_of_module(loaded.module, spec=spec, source=loaded.config_source),
        *loaded.configs,
        *([request.preprocessing] if request.preprocessing else []),
    ]
    head, name_notes = head_by_names(_head(request, configs, spec), configs, request, spec=spec)
    preprocessing = preprocessing_of(
        configs, spec=spec, image_size=request.image_size, fallback=request.fallback
    )
    stated = [config.values["outputs"] for config in configs if config.values.get("outputs")]
    notes = [*_preprocessing_notes(spec, preprocessing, request, configs)]
    if head.note:
        notes.append(head.note)
    return _Interface(preprocessing, head, stated[-1] if stated else None, (*notes, *name_notes))


def _freeze(loaded: LoadedModule) -> _FrozenState:
    """Convert a module to float32, put it into eval mode, and freeze its parameters."""
    module = loaded.module
    weights = loaded.weights
    weight_bytes = weights.size
    if weight_bytes is None and not loaded.is_program:
        weight_bytes = stored_bytes(named_tensors(module).values())
    notes = _convert_to_float32(module)
    tensors = named_tensors(module)
    parameters = list(module.parameters())
    facts = ModelFacts(
        sum(part.numel() for part in parameters) if weights.parameters is None else weights.parameters,
        sum(part.numel() for part in parameters if part.requires_grad),
        weights.uncounted,
        weight_bytes=weight_bytes,
        file_bytes=sum(file.size for file in loaded.files) if loaded.files else None,
    )
    for parameter in parameters:  # attacks then compute gradients of the images alone
        parameter.requires_grad_(False)
    module.eval()
    checksum = state_digest(tensors)
    original = checksum
    if loaded.derived or weights.hidden:
        own = {name: tensor for name, tensor in tensors.items() if name not in loaded.derived}
        hidden = {f"hidden {name}": tensor for name, tensor in weights.hidden.items()}
        original = state_digest(own | hidden)
    return _FrozenState(facts, checksum, original, tuple(notes))


def _option_notes(
    loaded: LoadedModule,
    request: LoadRequest,
    settings: compute.ComputeSettings,
    device: torch.device,
    spec: str,
) -> Iterator[str]:
    """Yield notes on options without effect, and on passes of single images."""
    if settings.runtime != request.runtime:
        passes = f"passes in {settings.precision} on {device}. It is for fp32 on cpu"
        other = "exported programs" if loaded.is_program else passes
        yield f"{spec}: --quba-runtime={request.runtime} has no effect on {other}"
    if request.model_version and not loaded.uses_version:
        yield f"{spec}: --quba-model-version has no effect, since it identifies functions on arrays alone"
    if loaded.precision is not None and request.precision not in ("auto", "fp32"):
        yield f"{spec} computes in its own precision, not in {request.precision}"
    if loaded.takes_single_images:
        yield (
            f"{spec} is quantised dynamically, with a scale that depends on the whole batch: images are "
            "predicted one by one, which is slower. To avoid that, quantise it statically, with a scale from "
            "calibration images"
        )


def _head(request: LoadRequest, configs: Sequence[PreprocessingConfig], spec: str) -> Head:
    """Return the outputs expected by the suite, and those to ignore.

    A config that states `ignore` for a head without ignored outputs adds them; the first one counts.

    Raises:
        ModelError: a config ignores an output that the model cannot have.
    """
    head = request.expected_head
    ignored = next((config.values["ignore"] for config in configs if "ignore" in config.values), ())
    if not ignored or head.ignored:
        return head
    head = head.without(ignored)
    if max(ignored) >= head.size:
        sizes = f"{len(ignored)} ignored and the {head.classes:,} of the suite's classes"
        raise ModelError(
            "ignore names no output",
            where=spec,
            got=f"{[*ignored]}",
            allowed=f"positions from 0 to {head.size - 1:,} ({sizes})",
        )
    return head


def with_pipeline(classifier: Classifier, pipeline: ServingPipeline, *, imports: bool = True) -> Classifier:
    """Return a model behind a serving pipeline. The module is shared.

    Args:
        classifier: the model; its compute settings are taken as they are.
        pipeline: the pipeline.
        imports: see `with_version`.

    Raises:
        ModelError: a function of the pipeline cannot be imported.
    """
    pipeline = with_version(pipeline, imports=imports)
    request = classifier.request and replace(classifier.request, pipeline=pipeline)
    return replace(
        classifier, preprocessing=replace(classifier.preprocessing, pipeline=pipeline), request=request
    )


def _convert_to_float32(module: nn.Module) -> list[str]:
    """Convert all weights to float32; return a note if a parameter was converted."""
    dtypes = {tensor.dtype for tensor in module.parameters() if tensor.dtype != torch.float32}
    if not dtypes:
        return []
    module.float()
    names = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in dtypes))
    return [f"weights were converted from {names} to float32"]


def _preprocessing_notes(
    spec: str, preprocessing: Preprocessing, request: LoadRequest, configs: Sequence[PreprocessingConfig]
) -> Iterator[str]:
    """Yield notes on preprocessing and outputs that are not simply the model's own."""
    (_, height, width), size = preprocessing.input_size, request.image_size
    differs = size is not None and (height, width) != (size, size)
    suite = f", not at the suite's {size} × {size}" if differs else ""
    source = preprocessing.source
    if any(config.departs and config.source in source for config in configs):
        yield f"images are prepared as {source} states{suite}"
    elif (fallback := request.fallback) is not None and fallback.source in source:
        yield f"{spec} does not state its whole preprocessing; the rest is that of {fallback.source}{suite}"
    elif preprocessing.is_assumed:
        yield f"{spec} does not state its whole preprocessing; the rest is {SUITE_DEFAULTS}"
    elif suite:
        yield f"images are prepared at {height} × {width} as {source} states{suite}"
    if request.preprocessing is not None and (kind := request.preprocessing.values.get("outputs")):
        yield f"outputs are {kind}, as {request.preprocessing.source} states"
