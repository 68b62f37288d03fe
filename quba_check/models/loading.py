"""From a spec that was read to a classifier."""

from __future__ import annotations

import torch
from torch import nn

from quba_check.errors import HeadError, ModelError
from quba_check.models.architectures import (
    architecture,
    base_name,
    check_architecture,
    classifier_layers,
    fitting_architecture,
    pretrained,
)
from quba_check.models.callables import built
from quba_check.models.checkpoint import State, read_state_dict
from quba_check.models.classifier import Classifier
from quba_check.models.device import pin_arithmetic, resolve_device, resolve_precision
from quba_check.models.fingerprint import fingerprint, named_tensors, own_sources, state_digest
from quba_check.models.fit import fit
from quba_check.models.network import Loading, Network
from quba_check.models.preparation import SUITE_DEFAULTS, Preparation, preparation_of, stated_outputs
from quba_check.models.specs import ModelSpec


def loaded(spec: ModelSpec, how: Loading) -> Classifier:
    """The classifier that a spec names; see `specs.load_classifier`."""
    device = resolve_device(how.device, how.worker)
    precision = resolve_precision(how.precision, device)
    network = _network(spec, how, device)
    module = network.module
    device = network.device or device
    preparation = preparation_of(
        module,
        spec=spec.text,
        image_size=how.image_size,
        architecture=network.architecture,
        statements=network.statements,
    )
    notes = [*network.notes, *_widened(module), *_preparation_notes(spec, preparation, how.image_size)]
    parameters = list(module.parameters())
    trainable = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    counted = sum(parameter.numel() for parameter in parameters)
    module.requires_grad_(False)  # attacks then keep gradients of the images alone
    module.eval()
    checksum = state_digest(named_tensors(module))
    pin_arithmetic(device)
    return Classifier(
        spec=spec.text,
        name=spec.name,
        fingerprint=fingerprint(
            module,
            checksum,
            architecture=base_name(network.architecture) if network.architecture else "",
            sources=network.sources,
        ),
        module=module.to(device),
        preparation=preparation,
        checksum=checksum,
        parameters=counted if network.parameters is None else network.parameters,
        trainable=trainable,
        classes=how.classes,
        device=device,
        precision=network.precision or precision,
        no_gradient=network.no_gradient,
        stated_outputs=stated_outputs(module, spec=spec.text, statements=network.statements),
        notes=tuple(notes),
    )


def _network(spec: ModelSpec, how: Loading, device: torch.device) -> Network:
    match spec.kind:
        case "demo":
            return _demo(spec)
        case "timm":
            return _from_timm(spec, how)
        case "callable":
            result = built(spec.text)
            return Network(result.module, sources=own_sources(result.module, result.by))
        case "file":
            return _from_file(spec, how)
        case "onnx":
            from quba_check.models.onnx_loading import onnx_network

            return onnx_network(spec, how, device)


def _demo(spec: ModelSpec) -> Network:
    from quba_check.demo.network import demo_module

    module = demo_module(spec.text)
    return Network(module, sources=own_sources(module))


def _from_timm(spec: ModelSpec, how: Loading) -> Network:
    module = pretrained(spec.name, spec=spec.text)
    _check_head(getattr(module, "num_classes", how.classes), how.classes, f"{spec.text}: the model")
    return Network(module, spec.name)


def _from_file(spec: ModelSpec, how: Loading) -> Network:
    if how.arch is not None:
        check_architecture(how.arch, where="--quba-arch")
    state = read_state_dict(spec.path, spec=spec.text, trust_pickle=how.trust_pickle)
    if how.arch is None:
        found = fitting_architecture(state, near=[spec.name])
        hint = f" Its keys fit --quba-arch={found}." if found else ""
        raise ModelError(
            f"{spec.text}: holds weights alone, so name their architecture: --quba-arch=NAME.{hint}"
        )
    module = architecture(how.arch, classes=how.classes)
    _load(state, module, spec, how)
    return Network(module, how.arch)


def _load(state: State, module: nn.Module, spec: ModelSpec, how: Loading) -> None:
    found = fit(state, module)
    if found.is_perfect:
        module.load_state_dict(state, strict=False)
        return
    head = found.head(classifier_layers(module))
    if head is not None:
        _check_head(head, how.classes, f"{spec.text}: the checkpoint's head")
    other = fitting_architecture(state, near=[how.arch or "", spec.name])
    hint = f" Did you mean --quba-arch={other}?" if other else ""
    raise ModelError(f"{spec.text}: its keys do not fit {how.arch}: {found.describe()}.{hint}")


def _check_head(theirs: int, classes: int, what: str) -> None:
    if theirs != classes:
        message = f"{what} has {theirs} classes, the suite has {classes}."
        raise HeadError(message, theirs=theirs, classes=classes)


def _widened(module: nn.Module) -> list[str]:
    """Make all weights float32, and say so where they were not."""
    others = {tensor.dtype for tensor in module.parameters() if tensor.dtype != torch.float32}
    if not others:
        return []
    module.float()
    names = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in others))
    return [f"weights came as {names} and were converted to float32"]


def _preparation_notes(spec: ModelSpec, preparation: Preparation, image_size: int | None) -> list[str]:
    _, height, width = preparation.input_size
    if SUITE_DEFAULTS in preparation.source:
        words = in_words(preparation)
        return [f"{spec.text} does not say all of how to prepare images; with {SUITE_DEFAULTS}: {words}"]
    if image_size is not None and (height, width) != (image_size, image_size):
        suite = f"not at the suite's {image_size} × {image_size}"
        return [f"images are prepared at {height} × {width} as {preparation.source} says, {suite}"]
    return []


def in_words(preparation: Preparation) -> str:
    """A preparation on one line."""
    _, height, width = preparation.input_size
    return (
        f"{height} × {width}, {preparation.interpolation}, crop {preparation.crop_pct:g}, "
        f"mean {_triple(preparation.mean)}, std {_triple(preparation.std)}"
    )


def _triple(values: tuple[float, float, float]) -> str:
    return " ".join(f"{value:g}" for value in values)
