"""A classifier: a module in eval mode with its preprocessing and kind of outputs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from quba_check.core.classes import Head
from quba_check.core.facts import ModelFacts
from quba_check.errors import ModelError
from quba_check.models.choices import Precision
from quba_check.models.compute import CHANNELS_LAST, PLAIN, PROGRAM, RULE, SINGLE_IMAGES, ComputeSettings
from quba_check.models.errors import model_errors
from quba_check.models.identity.state import Guard
from quba_check.models.outputs import (
    OutputKind,
    check_finite,
    check_outputs,
    class_scores,
    output_kind,
    to_logits,
)
from quba_check.models.preprocessing.fast import can_be_fast
from quba_check.models.preprocessing.preprocessing import Preprocessing, grey
from quba_check.models.request import LoadRequest
from quba_check.models.runtimes import Program, compiled_program

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


@dataclass(eq=False)
class Classifier:
    """A loaded model.

    Attributes:
        spec: the spec as given.
        name: its name in reports.
        module: the module that classifies: on `device`, in eval mode, parameters frozen.
        preprocessing: preprocessing of images.
        fingerprint: hex digest of architecture, weights, and the user's code.
        checksum: hex digest of the parameters and buffers alone.
        head: outputs of `module` expected by the suite, some of them perhaps outside its classes.
        device: where it runs.
        facts: its sizes; parameters that required a gradient before they were frozen count as trainable.
        compute: settings of its passes; change them with `use`.
        may_change_compute: True until `use` makes `compute` final, before the first shard.
        stated_outputs: kind of its outputs as stated by a config; None if not stated.
        outputs: kind of its outputs; None until it is stated or detected on real images
            (`outputs.output_kind`).
        no_gradient: reason why no gradient passes through it; empty if one may.
        takes_single_images: True if an image's answer depends on the rest of its batch.
        notes: notes for the record, such as defaults in use.
        files: SHA-256 (hex) of each file that it was loaded from, by file name; empty if they are not known.
        request: settings that it was loaded with; None for a module of this process.
        output_step: step of quantised outputs that may be probabilities; 0 for others.
        surrogate: the model whose gradients attacks follow; None for its own.
        libraries: see `LoadedModule.libraries`.
    """

    spec: str
    name: str
    module: nn.Module
    preprocessing: Preprocessing
    fingerprint: str
    checksum: str
    head: Head
    device: torch.device
    facts: ModelFacts
    compute: ComputeSettings = PLAIN
    may_change_compute: bool = False
    stated_outputs: OutputKind | None = None
    outputs: OutputKind | None = None
    no_gradient: str = ""
    takes_single_images: bool = False
    notes: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    request: LoadRequest | None = field(repr=False, default=None)
    output_step: float = 0.0
    surrogate: Classifier | None = field(repr=False, default=None)
    libraries: Mapping[str, str] = field(default_factory=dict)
    _dense: dict[torch.Size, tuple[Tensor, Tensor]] = field(init=False, repr=False, default_factory=dict)
    _columns: dict[torch.device, Tensor] = field(init=False, repr=False, default_factory=dict)
    _program: Program | None = field(init=False, repr=False, default=None)
    _guard: Guard | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        self.outputs = self.outputs or self.stated_outputs
        self._check_temperature()
        self._mean = torch.tensor(self.preprocessing.mean, device=self.device).view(-1, 1, 1)
        self._std = torch.tensor(self.preprocessing.std, device=self.device).view(-1, 1, 1)

    @property
    def is_prepared_fast(self) -> bool:
        """True if JPEG files are prepared by `preprocessing.fast`."""
        is_exact = self.request is not None and self.request.exact_preprocessing
        return not is_exact and self.preprocessing.pipeline is None and can_be_fast(self.preprocessing)

    @property
    def may_run_openvino(self) -> bool:
        """True for a torch module in float32 on a CPU, without another runtime."""
        is_module = self.compute.reason not in (PROGRAM, SINGLE_IMAGES)
        requested = "torch" if self.request is None else self.request.runtime
        return is_module and (self.device.type, self.compute.precision, requested) == ("cpu", "fp32", "torch")

    def rule(self, precision: Precision) -> ComputeSettings:
        """Return the settings for a precision, by device and kind of network."""
        is_last = (self.device.type, precision) in CHANNELS_LAST and self._convolutions.overlap
        return replace(self.compute, precision=precision, channels_last=is_last, reason=RULE)

    def try_out(self, settings: ComputeSettings) -> None:
        """Run further passes with other settings, for comparisons.

        The weights stay in memory in both formats, so that changing back and forth is quick.
        """
        if settings.channels_last != self.compute.channels_last:
            self._convolutions.use(channels_last=settings.channels_last)
        self.compute = settings

    def use(self, settings: ComputeSettings) -> None:
        """Run all further passes with these settings."""
        self.try_out(settings)
        self.may_change_compute = False
        if settings.runtime == "torch":
            self._program = None
        if "_convolutions" in vars(self):
            self._convolutions.release()
        self._guard = self._guard and Guard(self.module, self.checksum)

    def with_surrogate(self, surrogate: Classifier) -> Classifier:
        """Return this model with attacks that are computed on another one.

        Its fingerprint is that of both, with the preprocessing of the other one.
        """
        identity = f"{self.fingerprint} {surrogate.fingerprint} {surrogate.preprocessing.as_dict()}"
        fingerprint = hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()
        libraries = {**surrogate.libraries, **self.libraries}
        return replace(
            self, surrogate=surrogate, no_gradient="", fingerprint=fingerprint, libraries=libraries
        )

    def follow(self, other: Classifier) -> None:
        """Take over the settings and outputs of a classifier of the same module.

        A runtime that differs on this classifier's images stays out of use.
        """
        self.outputs = other.outputs
        if self.compute.runtime == other.compute.runtime or other.compute.runtime == "torch":
            self.compute, self.may_change_compute = other.compute, other.may_change_compute

    def normalise(self, pixels: Tensor) -> Tensor:
        """Convert pixels to inputs of the model; differentiable.

        Args:
            pixels: float32 in [0, 1], (N, channels, H, W).
        """
        mean, std = self._mean_and_std(pixels)
        return (pixels - mean) / std

    def denormalise(self, inputs: Tensor) -> Tensor:
        """Convert inputs of the model to pixels, (N, channels, H, W); the inverse of `normalise`."""
        return inputs * self._std + self._mean

    def pixels(self, images: Tensor) -> Tensor:
        """Convert images to pixels of the model's channels, float32 in [0, 1].

        Args:
            images: (N, 3, H, W) in any memory format, uint8, or float32 in [0, 1].
        """
        images = images.to(self.device)
        if self.preprocessing.is_grey:
            images = grey(images)
        if images.is_floating_point():
            return images
        memory_format = torch.channels_last if self.compute.channels_last else torch.contiguous_format
        return images.to(torch.float32, memory_format=memory_format).div_(255)

    def inputs(self, images: Tensor) -> Tensor:
        """Convert images to inputs of the model: `normalise` of their pixels, without a graph.

        Args:
            images: uint8, (N, 3, H, W), in any memory format; or normalised float32, (N, channels, H, W).
        """
        if images.is_floating_point():
            return images.to(self.device)
        pixels = self.pixels(images)
        mean, std = self._mean_and_std(pixels)
        inputs = pixels.sub_(mean).div_(std)
        pipeline = self.preprocessing.pipeline
        if pipeline is None or pipeline.dtype is None:
            return inputs
        return inputs.to(getattr(torch, pipeline.dtype)).to(torch.float32)

    def _mean_and_std(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of the channels for arithmetic with pixels.

        With the channels last, a value for each pixel value: torch is several times slower with three values.
        """
        if pixels.is_contiguous() or not pixels.is_contiguous(memory_format=torch.channels_last):
            return self._mean, self._std
        size = pixels.shape[2:]
        if size not in self._dense:
            mean, std = (values.expand(1, len(values), *size) for values in (self._mean, self._std))
            last = torch.channels_last
            self._dense[size] = mean.contiguous(memory_format=last), std.contiguous(memory_format=last)
        return self._dense[size]

    def raw(
        self, inputs: Tensor, *, exact: bool = False, in_torch: bool = False, is_checked: bool = True
    ) -> Tensor:
        """Return the unconverted outputs of the module.

        Args:
            inputs: normalised images on `device`, float32, (N, channels, H, W).
            exact: compute in float32 and in torch under all settings, as attacks do.
            in_torch: compute in torch under all settings, as for attacked images.
            is_checked: check that the outputs are finite, which waits for the device. The engine checks whole
                shards instead.

        Returns:
            float32, (N, outputs of `head`). The caller's grad mode decides about gradients.

        Raises:
            ModelError: the module fails on the batch, or its outputs are not class scores.
            torch.OutOfMemoryError: memory runs out, for callers that continue with smaller batches.
        """
        if self.takes_single_images and len(inputs) > 1:
            settings = {"exact": exact, "in_torch": in_torch, "is_checked": is_checked}
            return torch.cat([self.raw(image, **settings) for image in torch.split(inputs, 1)])
        half = self.compute.precision != "fp32" and not exact
        if self.compute.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        dtype = _DTYPES[self.compute.precision] if half else None
        shape = "×".join(str(side) for side in inputs.shape[1:])
        problem = f"the model fails on a batch of {len(inputs)} images of {shape}:"
        with model_errors(problem, self.spec), torch.autocast(self.device.type, dtype=dtype, enabled=half):
            is_other = self.compute.runtime != "torch" and not (exact or in_torch or torch.is_grad_enabled())
            if not is_other:
                scores, place = class_scores(self.module(inputs))
            else:
                self._program = self._program or compiled_program(
                    self.compute.runtime, self.module, inputs, self.spec
                )
                scores, place = self._program(inputs)
            if place and (note := f"{place} is used") not in self.notes:
                self.notes = (*self.notes, note)
            raw = check_outputs(scores, batch=len(inputs), head=self.head, spec=self.spec)
            return check_finite(raw, spec=self.spec) if is_checked else raw

    def output_kind(self, raw: Tensor) -> OutputKind:
        """Return the kind that outputs look like; see `outputs.output_kind`."""
        return output_kind(raw.detach(), half=self.compute.precision != "fp32", step=self.output_step)

    def logits(self, raw: Tensor) -> Tensor:
        """Convert outputs to class scores z with p = softmax(z); float32, (N, C), differentiable.

        If the suite restricts the model's classes, p is the distribution over those classes alone.

        Raises:
            RuntimeError: `outputs` is None.
            ModelError: a temperature is stated, and the outputs are no logits.
        """
        if self.outputs is None:
            raise RuntimeError(
                "Classifier.outputs must be set, by outputs.output_kind on real images, before logits"
            )
        self._check_temperature()
        return self.select_classes(to_logits(raw, self.outputs, self.preprocessing.temperature))

    def _check_temperature(self) -> None:
        temperature = self.preprocessing.temperature
        if temperature != 1 and self.outputs not in (None, "logits"):
            raise ModelError(
                f"temperature divides logits, and this model's outputs are {self.outputs}",
                where=self.spec,
                got=f"{temperature:g} from {self.preprocessing.source}",
                allowed="a model with logits",
                hint="Remove temperature, or state outputs: logits if they are.",
            )

    def select_classes(self, scores: Tensor) -> Tensor:
        """Select the suite's classes, in its order: (N, outputs of `head`) → (N, C).

        A single output z becomes two scores with the same probabilities, 0 and z.
        """
        columns = self.head.columns
        device = scores.device
        if self.head.positive is not None and scores.shape[1] == 1:
            pair = [torch.zeros_like(scores), scores]
            return torch.cat(pair if self.head.positive else pair[::-1], dim=1)
        if columns is None:
            return scores
        if device not in self._columns:  # kept, since a copy waits for the device
            self._columns[device] = torch.tensor(columns, device=device)
        return scores.index_select(1, self._columns[device])

    def guard(self) -> Guard:
        """Return the guard of the module.

        It compares with the state at the first call or at the last change of settings.
        """
        if self._guard is None:
            self._guard = Guard(self.module, self.checksum)
        return self._guard

    @cached_property
    def _convolutions(self) -> ConvolutionWeights:
        return ConvolutionWeights(self.module)


class ConvolutionWeights:
    """The weights of a module's 2-D convolutions, in either memory format.

    Both formats stay in memory until `release`. The original tensors are put back when the plain format is
    used again: a converted copy could have other strides, with which torch may take other algorithms.

    Args:
        module: the module.

    Attributes:
        overlap: True for a convolutional network, where windows overlap. Those of a transformer's patches
            do not.
    """

    def __init__(self, module: nn.Module) -> None:
        parts = [part for part in module.modules() if isinstance(part, _CONVOLUTIONS)]
        weights = [part._parameters.get("weight") for part in parts]
        self.overlap = any(max(part.kernel_size) > max(part.stride) for part in parts)
        self._parameters = list({id(weight): weight for weight in weights if weight is not None}.values())
        self._formats: dict[bool, list[Tensor]] = {}

    def use(self, *, channels_last: bool) -> None:
        """Give the module the weights of a memory format."""
        self._formats[not channels_last] = [weight.data for weight in self._parameters]
        if channels_last not in self._formats:
            to = torch.channels_last if channels_last else torch.contiguous_format
            self._formats[channels_last] = [
                weight.data.contiguous(memory_format=to) for weight in self._parameters
            ]
        for weight, values in zip(self._parameters, self._formats[channels_last], strict=True):
            weight.data = values

    def release(self) -> None:
        """Free the memory of the format that is not used."""
        self._formats.clear()


def out_of_memory_error(classifier: Classifier, batch: int) -> ModelError:
    """Return the error for a model without memory for `batch` images at a time."""
    _, height, width = classifier.preprocessing.input_size
    images = f"{batch} images"
    remedy = "Give a smaller --quba-batch-size, or auto."
    if batch == 1:
        images = "a single image"
        remedy = "Free memory, or give another --quba-device, a smaller model, or a smaller input_size."
    problem = f"memory on {classifier.device} runs out with {images} of {height} × {width}"
    return ModelError(problem, where=classifier.spec, hint=remedy)
