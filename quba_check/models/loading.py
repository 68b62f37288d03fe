"""Loading of classifiers from model specs.

Each kind of model imports its own loader: timm takes seconds to import, and many models do not need it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

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
from quba_check.models.loaded_module import LoadedModule, file_digests, fingerprint, model_files
from quba_check.models.preprocessing.config import PreprocessingConfig, configs_of_module
from quba_check.models.preprocessing.preprocessing import SUITE_DEFAULTS, Preprocessing, preprocessing_of
from quba_check.models.preprocessing.serving import with_version
from quba_check.models.programs.weights import stored_bytes
from quba_check.models.request import LoadRequest
from quba_check.models.specs import ModelSpec, check_takes_architecture, parse_spec

TAKES_SINGLE_IMAGES = (
    "{} is quantised dynamically, with a scale that depends on the whole batch: images are predicted one by "
    "one, which is slower. To avoid that, quantise it statically, with a scale from calibration images"
)
UNUSED_VERSION = "{}: --quba-model-version has no effect, since it identifies functions on arrays alone"
OWN_PRECISION = "{} computes in its own precision, not in {}"
RUNTIME_UNUSED = "{}: --quba-runtime={} has no effect on {}"


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
    if spec.kind == "open_clip":
        request = replace(request, head=None)
    try:
        with model_errors("loading it raised", where=spec.text):
            return _load_classifier(spec, request)
    except torch.OutOfMemoryError as error:
        hint = "Free memory, or give a smaller model or another --quba-device."
        raise ModelError(
            f"memory runs out while it is loaded ({error})", where=spec.text, hint=hint
        ) from error


def _load_classifier(spec: ModelSpec, request: LoadRequest) -> Classifier:
    error = partial(ModelError, where=spec.text)
    device = compute.resolve_device(request.device, request.worker)
    precision = compute.resolve_precision(request.precision, device)
    if request.device in PROVIDERS and spec.kind != "onnx":
        hint = f"Allowed for other models: {', '.join(DEVICES)}."
        raise error(f"--quba-device={request.device} runs ONNX files alone", hint=hint)
    ignored = request.preprocessing.values.get("ignore") if request.preprocessing else None
    if ignored:
        request = replace(request, head=_head_without(ignored, request, spec.text))
    loaded = _load_module(spec, request, device)
    module = loaded.module
    tensors = named_tensors(module)
    for name, tensor in tensors.items():
        if form := unusual_form(tensor):
            raise error(f"its tensor '{name}' is {form}", allowed="dense tensors of numbers")
    weights, weight_bytes = loaded.weights, loaded.weights.size
    if weight_bytes is None and not loaded.is_program:
        weight_bytes = stored_bytes(tensors.values())  # before the conversion to float32
    device = loaded.device or device
    configs = [
        *configs_of_module(module, spec=spec.text, source=loaded.config_source),
        *loaded.configs,
        *([request.preprocessing] if request.preprocessing else []),
    ]
    head = request.expected_head
    if not ignored and (own := next((one.values["ignore"] for one in configs if "ignore" in one.values), ())):
        head = _head_without(own, request, spec.text)
    head, name_notes = head_by_names(head, configs, request, spec=spec.text)
    if spec.kind == "keras" and not (request.fallback or any("mean" in one.values for one in configs)):
        hint = "State mean and std of the training in the file of --quba-preprocessing (docs/models.md)."
        raise error("does not state how pixels are scaled", hint=hint)
    preprocessing = preprocessing_of(
        configs, spec=spec.text, image_size=request.image_size, fallback=request.fallback
    )
    is_function = spec.kind == "callable" and loaded.is_program
    settings = compute.first_settings(spec.kind, request, loaded, precision, device)
    unused = settings.runtime != request.runtime
    passes = f"passes in {settings.precision} on {device}. It is for fp32 on cpu"
    other = "exported programs" if loaded.is_program else passes
    is_fixed = loaded.precision is not None and request.precision not in ("auto", "fp32")
    notes = [
        *loaded.notes,
        *weights.notes,
        *([RUNTIME_UNUSED.format(spec.text, request.runtime, other)] if unused else []),
        *([UNUSED_VERSION.format(spec.text)] if request.model_version and not is_function else []),
        *([OWN_PRECISION.format(spec.text, request.precision)] if is_fixed else []),
        *([TAKES_SINGLE_IMAGES.format(spec.text)] if loaded.takes_single_images else []),
        *_convert_to_float32(module),
        *_preprocessing_notes(spec.text, preprocessing, request, configs),
        *([head.note] if head.note else []),
        *name_notes,
    ]
    parameters = list(module.parameters())
    trainable = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    own_parameters = sum(parameter.numel() for parameter in parameters)
    for parameter in parameters:  # attacks then compute gradients of the images alone
        parameter.requires_grad_(False)
    module.eval()
    checksum = state_digest(tensors)
    original = {name: tensor for name, tensor in tensors.items() if name not in loaded.derived}
    original |= {f"hidden {name}": tensor for name, tensor in weights.hidden.items()}
    compute.pin_arithmetic(device)
    classifier = Classifier(
        spec=spec.text,
        name=spec.name,
        fingerprint=fingerprint(
            loaded, state_digest(original) if loaded.derived or weights.hidden else checksum, head
        ),
        module=module.to(device),
        preprocessing=preprocessing,
        checksum=checksum,
        head=head,
        facts=ModelFacts(
            own_parameters if weights.parameters is None else weights.parameters,
            trainable,
            weights.uncounted,
            weight_bytes=weight_bytes,
            file_bytes=sum(file.size for file in loaded.files) if loaded.files else None,
        ),
        device=device,
        compute=settings,
        no_gradient=loaded.no_gradient,
        takes_single_images=loaded.takes_single_images,
        stated_outputs=next(
            (kind for config in reversed(configs) if (kind := config.values.get("outputs"))), None
        ),
        notes=tuple(notes),
        files=file_digests(loaded.files),
        request=request,
        output_step=loaded.output_step,
        libraries=loaded.libraries,
    )
    if request.precision == "auto" and settings.reason == compute.STATED:
        classifier.use(classifier.rule(precision))
        classifier.is_open = True
    classifier.is_open |= settings.runtime == "openvino"  # it is checked on images
    return classifier if request.pipeline is None else with_pipeline(classifier, request.pipeline)


def _head_without(ignored: tuple[int, ...], request: LoadRequest, spec: str) -> Head:
    head = request.expected_head.without(ignored)
    if max(ignored) >= head.size:
        sizes = f"{len(ignored)} ignored and the {head.classes:,} of the suite's classes"
        allowed = f"positions from 0 to {head.size - 1:,} ({sizes})"
        raise ModelError("ignore names no output", where=spec, got=f"{[*ignored]}", allowed=allowed)
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


def _load_module(spec: ModelSpec, request: LoadRequest, device: torch.device) -> LoadedModule:
    match spec.kind:
        case "demo":
            from quba_check.demo import network

            files = model_files(network.demo_weights(spec.text))
            module, source = network.demo_module(spec.text), Path(network.__file__)
            return LoadedModule(module, sources=(source,), files=files)
        case "timm" | "hub" | "file" | "folder":
            from quba_check.models.checkpoints.build import load_checkpoint, load_hub, load_timm

            return {"timm": load_timm, "hub": load_hub}.get(spec.kind, load_checkpoint)(spec, request)
        case "callable":
            from quba_check.models.programs.functions import load_callable

            return load_callable(spec, request)
        case "torchscript" | "exported":
            from quba_check.models.programs.torch_programs import load_exported, load_torchscript

            is_script = spec.kind == "torchscript"
            return load_torchscript(spec, request) if is_script else load_exported(spec, request, device)
        case "onnx":
            from quba_check.models.programs.onnx_runtime import load_onnx

            return load_onnx(spec, request, device)
        case "tflite" | "openvino":
            from quba_check.models.programs.cpu_runtimes import load_openvino, load_tflite

            return load_tflite(spec, request) if spec.kind == "tflite" else load_openvino(spec, request)
        case "keras":
            from quba_check.models.programs.keras_models import load_keras

            return load_keras(spec, request)
        case "open_clip":
            from quba_check.models.zero_shot.loading import load_zero_shot

            return load_zero_shot(spec, request, device)


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
