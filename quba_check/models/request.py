"""Settings for loading a model. Imports no torch."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from quba_check.core.classes import Head, Prompts
from quba_check.core.serving import ServingPipeline
from quba_check.models.preprocessing.config import PreprocessingConfig


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """The settings for loading a model.

    `Evaluation` fills in those of the suite: `classes` to `prompts`.

    Attributes:
        classes: the suite's class names.
        positions_of: returns the position of the suite's class for each name of a list, None for others; by
            default by name.
        head: the outputs that the model must have; None for one per class. Ignored by zero-shot models,
            which answer in the suite's classes.
        image_size: side in pixels of the suite's images, for models without preprocessing of their own.
        prompts: the suite's class names and templates for zero-shot models.
        arch: timm architecture of a checkpoint file; overrides the one stated in the file.
        preprocessing: preprocessing and kind of outputs; overrides what the model states.
        fallback: preprocessing of the model that this one replaces, for all that it does not state.
        pipeline: serving pipeline that replaces steps of the model's preprocessing; None for its own.
        device: one of `DEVICES`, or of `PROVIDERS` for ONNX files. `auto` tries CUDA, then MPS, then the CPU.
        precision: one of `PRECISIONS`. `auto` takes half precision on GPUs if it keeps the answers.
        runtime: one of `RUNTIMES`, for passes without gradients of torch modules. `openvino` computes in
            float32 on CPUs, and is used if it gives the answers of torch on the first images.
        exact_preprocessing: prepare every image with Pillow, as timm's transform does.
        trust_pickle: accept files that run code while they are read.
        worker: number of this process among parallel ones; worker k takes GPU k mod n.
        model_version: text that identifies a model without bytes of its own, such as an endpoint.
        cache: folder for the text weights of zero-shot models; None stores nothing.
        progress: called with a message before each slow step.
        run_id: text that differs between runs, and is the same in all processes of one.
    """

    classes: tuple[str, ...] = ()
    positions_of: Callable[[Sequence[str]], list[int | None]] | None = field(
        default=None, repr=False, compare=False
    )
    head: Head | None = None
    image_size: int | None = None
    prompts: Prompts = field(default_factory=Prompts)
    arch: str | None = None
    preprocessing: PreprocessingConfig | None = None
    fallback: PreprocessingConfig | None = None
    pipeline: ServingPipeline | None = None
    device: str = "auto"
    precision: str = "auto"
    runtime: str = "torch"
    exact_preprocessing: bool = False
    trust_pickle: bool = False
    worker: int | None = None
    model_version: str | None = None
    cache: Path | None = None
    progress: Callable[[str], None] | None = None
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex, repr=False, compare=False)

    @property
    def expected_head(self) -> Head:
        """The outputs that the model must have."""
        return self.head or Head(len(self.classes))
