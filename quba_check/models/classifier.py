"""A classifier: a module in eval mode that owns its normalisation and knows what its outputs are."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from quba_check.core.head import Head
from quba_check.errors import ModelError, QubaError, one_line
from quba_check.models.device import Precision
from quba_check.models.guard import Guard
from quba_check.models.outputs import OutputKind, checked, to_logits
from quba_check.models.preprocessing.preprocessing import Preprocessing

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(eq=False)
class Classifier:
    """A loaded model.

    Attributes:
        spec: the spec as it was typed.
        name: how reports call it.
        module: the module that classifies: on `device`, in eval mode, parameters frozen.
        preprocessing: how images are prepared for it.
        fingerprint: hex digest of architecture, weights, and source files of the user's own.
        checksum: hex digest of the parameters and buffers alone.
        parameters: number of parameters, shared ones once.
        trainable: how many of them asked for a gradient before they were frozen.
        classes: number C of classes of the suite.
        device: where it runs.
        precision: of forward passes that no gradient goes through.
        stated_outputs: what it returns, where its `quba_config` says so.
        outputs: what it returns; None until it was stated or seen on real images (`outputs.output_kind`).
        no_gradient: why no gradient passes through it, where that is known; empty otherwise.
        notes: remarks for the record, such as defaults that were used.
        head: the outputs that the suite expects of `module`, of which some may be no classes of the suite;
            by default its C classes.
    """

    spec: str
    name: str
    module: nn.Module
    preprocessing: Preprocessing
    fingerprint: str
    checksum: str
    parameters: int
    trainable: int
    classes: int
    device: torch.device
    precision: Precision = "fp32"
    stated_outputs: OutputKind | None = None
    outputs: OutputKind | None = None
    no_gradient: str = ""
    notes: tuple[str, ...] = ()
    head: Head | None = None
    _mean: Tensor = field(init=False, repr=False)
    _std: Tensor = field(init=False, repr=False)
    _head: Head = field(init=False, repr=False)
    _columns: Tensor | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.outputs = self.outputs or self.stated_outputs
        self._head = self.head or Head(self.classes)
        columns = self._head.columns
        self._columns = None if columns is None else torch.tensor(columns, device=self.device)
        self._mean = torch.tensor(self.preprocessing.mean, device=self.device).view(3, 1, 1)
        self._std = torch.tensor(self.preprocessing.std, device=self.device).view(3, 1, 1)

    def normalise(self, pixels: Tensor) -> Tensor:
        """Inputs of the model for pixels: float32 in [0, 1], (N, 3, H, W); differentiable."""
        return (pixels - self._mean) / self._std

    def denormalise(self, inputs: Tensor) -> Tensor:
        """Pixels for inputs of the model, the inverse of `normalise`; (N, 3, H, W)."""
        return inputs * self._std + self._mean

    def raw(self, inputs: Tensor, *, exact: bool = False) -> Tensor:
        """Outputs of the module as they are.

        Args:
            inputs: normalised images on `device`, float32, (N, 3, H, W).
            exact: compute in float32 whatever the precision, as attacks do.

        Returns:
            float32, (N, outputs of `head`), finite. Whether a graph is kept is up to the caller's grad mode.

        Raises:
            ModelError: the module fails on the batch, or what it returns cannot be read as class scores.
            torch.OutOfMemoryError: memory runs out, for callers that continue with smaller batches.
        """
        half = self.precision != "fp32" and not exact
        dtype = _DTYPES[self.precision] if half else None
        shape = "×".join(str(side) for side in inputs.shape[1:])
        batch = f"{self.spec}: the model fails on a batch of {len(inputs)} images of {shape}:"
        with model_errors(batch), torch.autocast(self.device.type, dtype=dtype, enabled=half):
            return checked(self.module(inputs), batch=len(inputs), head=self._head, spec=self.spec)

    def logits(self, raw: Tensor) -> Tensor:
        """Class scores z with p = softmax(z), by what the outputs are; float32, (N, C), differentiable.

        Where the suite restricts the model's classes, p is the distribution over those classes alone.

        Raises:
            RuntimeError: `outputs` is not known yet.
        """
        if self.outputs is None:
            raise RuntimeError(
                "Classifier.outputs must be set, by outputs.output_kind on real images, before logits"
            )
        return self.restricted(to_logits(raw, self.outputs))

    def restricted(self, scores: Tensor) -> Tensor:
        """Select the suite's classes, in its order: (N, outputs of `head`) → (N, C)."""
        if self._columns is None:
            return scores
        return scores.index_select(1, self._columns.to(scores.device))

    def guard(self) -> Guard:
        """A guard over the module as it is now."""
        return Guard(self.module, self.checksum)


@contextlib.contextmanager
def model_errors(beginning: str) -> Iterator[None]:
    """Raise whatever the code of a model raises as a ModelError.

    `SystemExit` and pytest's `Skipped` are no exceptions to this: a model may neither end a run nor skip a
    demand. Errors of quba-check pass, and so does Ctrl-C.

    Args:
        beginning: of the message; type and first line of the error follow.

    Raises:
        ModelError: the code raised something.
        torch.OutOfMemoryError: memory ran out.
    """
    try:
        yield
    except (QubaError, KeyboardInterrupt):
        raise
    except BaseException as error:
        if is_out_of_memory(error):
            raise torch.OutOfMemoryError(described(error)) from error
        raise ModelError(f"{beginning} {described(error)}") from error


def is_out_of_memory(error: BaseException) -> bool:
    """True for out-of-memory errors of Python and torch, on any device."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)


def out_of_memory(classifier: Classifier, batch: int) -> ModelError:
    """Return the error for a model without memory for `batch` images at a time."""
    _, height, width = classifier.preprocessing.input_size
    remedy = (
        "Give a smaller --quba-batch-size, or auto."
        if batch > 1
        else "Free memory, or give another --quba-device, a smaller model, or a smaller input_size."
    )
    images = f"{batch} images" if batch > 1 else "a single image"
    return ModelError(
        f"{classifier.spec}: memory on {classifier.device} runs out with {images} of {height} × {width}. "
        f"{remedy}"
    )


_NO_MEMORY = ("DefaultCPUAllocator: ", "backend out of memory", "CUDA out of memory")
"""Parts of messages of torch's untyped out-of-memory errors."""
_LONGEST = 300


def described(error: BaseException) -> str:
    r"""Return type and first line of an error in the user's code, for a terminal.

    >>> described(ValueError("no such layer\nsecond line"))
    'ValueError: no such layer'
    """
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  an error of the user's own type, whose text fails too
        text = ""
    line = next(iter(text.strip().splitlines()), "")
    line = one_line(line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…")
    return f"{type(error).__name__}: {line}" if line else type(error).__name__
