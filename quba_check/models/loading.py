"""Loading of classifiers: from a model spec to a module in eval mode on its device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn

from quba_check.core.head import Head
from quba_check.core.prompts import Prompts
from quba_check.errors import ModelError
from quba_check.models.checkpoints.build import check_head, network_of_file, network_of_folder
from quba_check.models.checkpoints.hub import network_of_hub
from quba_check.models.checkpoints.timm_architectures import base_name, pretrained
from quba_check.models.classifier import Classifier, model_errors
from quba_check.models.device import pin_arithmetic, resolve_device, resolve_precision
from quba_check.models.fingerprint import fingerprint, named_tensors, own_sources, state_digest, unusual_form
from quba_check.models.network import LoadedModule, LoadRequest
from quba_check.models.preprocessing.config import PreprocessingConfig
from quba_check.models.preprocessing.preprocessing import (
    SUITE_DEFAULTS,
    Preprocessing,
    preprocessing_of,
    stated_outputs,
)
from quba_check.models.programs.callables import built
from quba_check.models.programs.exported import network_of_exported
from quba_check.models.programs.onnx import onnx_network
from quba_check.models.programs.torchscript import network_of_torchscript
from quba_check.models.specs import ModelSpec, check_spec, check_takes_architecture
from quba_check.models.zero_shot.loading import zero_shot_network


def load_classifier(
    spec: str,
    *,
    classes: tuple[str, ...],
    image_size: int | None,
    head: Head | None = None,
    arch: str | None = None,
    preprocessing: PreprocessingConfig | None = None,
    device: str = "auto",
    precision: str = "auto",
    trust_pickle: bool = False,
    worker: int | None = None,
    prompts: Prompts | None = None,
    cache: Path | None = None,
    tell: Callable[[str], None] | None = None,
) -> Classifier:
    """Load the model that a spec names, in eval mode, on its device.

    Args:
        spec: what stands after `--model=`.
        classes: the suite's class names.
        head: the outputs that the model must have; by default one for each class. A zero-shot model answers
            in the suite's classes whatever stands here.
        image_size: side in pixels that the suite prepares images at for models that bring no preparation.
        arch: timm name of the architecture, for a checkpoint file; it comes before what the file says.
        preprocessing: how images are prepared and what the outputs are, before all that the model says.
        device: `auto` (CUDA, then MPS, then CPU), `cpu`, `cuda`, `cuda:1`, `mps`.
        precision: `auto` (fp32), `fp32`, `bf16`, `fp16`.
        trust_pickle: unpickle checkpoints that run code while they are read.
        worker: number of this process among parallel ones; worker k takes GPU k mod n.
        prompts: what the suite says of its classes in words, for zero-shot models.
        cache: folder for what takes long to compute and serves again: text weights of zero-shot models.
        tell: told in words how far loading is, where that takes long.

    Returns:
        The classifier, with the parameters frozen after the trainable ones were counted.

    Raises:
        ModelError: the spec, the checkpoint, or the model cannot be used.
        OptionError: device or precision is unknown or not there, or `arch` does not go with the spec.
    """
    read = check_spec(spec)
    if arch is not None:
        check_takes_architecture(arch, [read])
    return _load(
        read,
        LoadRequest(
            head=head if head and read.kind != "open_clip" else Head(len(classes)),
            names=classes,
            prompts=prompts or Prompts(),
            image_size=image_size,
            arch=arch,
            preprocessing=preprocessing,
            device=device,
            precision=precision,
            trust_pickle=trust_pickle,
            worker=worker,
            cache=cache,
            tell=tell,
        ),
    )


def _load(spec: ModelSpec, request: LoadRequest) -> Classifier:
    try:
        with model_errors(f"{spec.text}: loading it raised"):
            return _loaded(spec, request)
    except torch.OutOfMemoryError as error:
        raise ModelError(
            f"{spec.text}: memory runs out while it is loaded ({error}). "
            "Free memory, or give a smaller model or another --quba-device."
        ) from error


def _loaded(spec: ModelSpec, how: LoadRequest) -> Classifier:
    device = resolve_device(how.device, how.worker)
    precision = resolve_precision(how.precision, device)
    network = _network(spec, how, device)
    module = network.module
    tensors = named_tensors(module)
    for name, tensor in tensors.items():
        if form := unusual_form(tensor):
            raise ModelError(
                f"{spec.text}: its tensor '{name}' is {form}. Allowed: dense tensors of numbers."
            )
    device = network.device or device
    configs = (*network.configs, *([how.preprocessing] if how.preprocessing else []))
    preprocessing = preprocessing_of(
        module,
        spec=spec.text,
        image_size=how.image_size,
        architecture=network.architecture,
        configs=configs,
    )
    notes = [
        *network.notes,
        *_widened(module),
        *_preparation_notes(spec, preprocessing, how.image_size, configs),
        *_outputs_notes(how),
        *filter(None, [how.head.note]),
    ]
    parameters = list(module.parameters())
    trainable = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    counted = sum(parameter.numel() for parameter in parameters)
    for parameter in parameters:  # attacks then keep gradients of the images alone
        parameter.requires_grad_(False)
    module.eval()
    checksum = state_digest(tensors)
    given = {name: tensor for name, tensor in tensors.items() if name not in network.derived}
    pin_arithmetic(device)
    return Classifier(
        spec=spec.text,
        name=spec.name,
        fingerprint=fingerprint(
            module,
            state_digest(given) if network.derived else checksum,
            architecture=base_name(network.architecture) if network.architecture else "",
            sources=network.sources,
            columns=how.head.columns,
        ),
        module=module.to(device),
        preprocessing=preprocessing,
        checksum=checksum,
        parameters=counted if network.parameters is None else network.parameters,
        trainable=trainable,
        classes=how.head.classes,
        head=how.head,
        device=device,
        precision=network.precision or precision,
        no_gradient=network.no_gradient,
        stated_outputs=stated_outputs(module, spec=spec.text, configs=configs),
        notes=tuple(notes),
    )


def _network(spec: ModelSpec, how: LoadRequest, device: torch.device) -> LoadedModule:  # noqa: C901  a branch a kind
    match spec.kind:
        case "demo":
            return _demo(spec)
        case "timm":
            return _from_timm(spec, how)
        case "callable":
            result = built(spec.text)
            return LoadedModule(result.module, sources=own_sources(result.module, result.by))
        case "file":
            return network_of_file(spec.path, spec=spec.text, how=how)
        case "folder":
            return network_of_folder(spec.path, spec=spec.text, how=how)
        case "hub":
            return network_of_hub(spec.name, spec=spec.text, head=how.head)
        case "torchscript":
            return network_of_torchscript(spec.path, spec=spec.text, how=how)
        case "exported":
            return network_of_exported(spec.path, spec=spec.text, how=how, device=device)
        case "onnx":
            return onnx_network(spec, how, device)
        case "open_clip":
            return zero_shot_network(spec, how, device)


def _demo(spec: ModelSpec) -> LoadedModule:
    from quba_check.demo.network import demo_module

    module = demo_module(spec.text)
    return LoadedModule(module, sources=own_sources(module))


def _from_timm(spec: ModelSpec, how: LoadRequest) -> LoadedModule:
    module = pretrained(spec.name, spec=spec.text)
    check_head(getattr(module, "num_classes", how.classes), how.head, f"{spec.text}: the model")
    return LoadedModule(module, spec.name)


def _widened(module: nn.Module) -> list[str]:
    """Make all weights float32, and say so where they were not."""
    others = {tensor.dtype for tensor in module.parameters() if tensor.dtype != torch.float32}
    if not others:
        return []
    module.float()
    names = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in others))
    return [f"weights came as {names} and were converted to float32"]


def _preparation_notes(
    spec: ModelSpec,
    preprocessing: Preprocessing,
    image_size: int | None,
    configs: Sequence[PreprocessingConfig],
) -> list[str]:
    """What is not simply as the model or its architecture has it."""
    _, height, width = preprocessing.input_size
    words = in_words(preprocessing)
    differs = image_size is not None and (height, width) != (image_size, image_size)
    suite = f", not at the suite's {image_size} × {image_size}" if differs else ""
    if any(stated.departs and stated.source in preprocessing.source for stated in configs):
        return [f"images are prepared as {preprocessing.source} says: {words}{suite}"]
    if SUITE_DEFAULTS in preprocessing.source:
        return [f"{spec.text} does not say all of how to prepare images; with {SUITE_DEFAULTS}: {words}"]
    return (
        [f"images are prepared at {height} × {width} as {preprocessing.source} says{suite}"] if suite else []
    )


def _outputs_notes(how: LoadRequest) -> list[str]:
    kind = how.preprocessing.values.get("outputs") if how.preprocessing else None
    return [f"outputs are {kind}, as {how.preprocessing.source} says"] if how.preprocessing and kind else []


def in_words(preprocessing: Preprocessing) -> str:
    """A preparation on one line."""
    _, height, width = preprocessing.input_size
    return (
        f"{height} × {width}, {preprocessing.interpolation}, crop {preprocessing.crop_pct:g}, "
        f"mean {_triple(preprocessing.mean)}, std {_triple(preprocessing.std)}"
    )


def _triple(values: tuple[float, float, float]) -> str:
    return " ".join(f"{value:g}" for value in values)
